import pytest

from mfer_core.base.errors import MferError
from mfer_core.encoders.checkpoints import find_checkpoint
from mfer_core.encoders.vit import load_vit


@pytest.fixture
def offline(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_a_missing_checkpoint_names_its_id_and_the_folder_to_put_it_in(offline):
    with pytest.raises(MferError, match=r"nobody/nothing.*data/checkpoints/nobody/nothing"):
        load_vit("nobody/nothing", "abc", "cpu", "fp32")


def test_a_checkpoint_put_into_that_folder_is_found_by_its_id(offline, vit_folder):
    target = offline / "data/checkpoints/nobody/nothing"
    target.parent.mkdir(parents=True)
    target.symlink_to(vit_folder)
    assert load_vit("nobody/nothing", "abc", "cpu", "fp32").metadata["name"] == "nobody/nothing"


def test_the_hash_covers_weights_and_shaping_files_only(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"1")
    (tmp_path / "config.json").write_text("{}")
    first = find_checkpoint(str(tmp_path), None, ("config.json",)).hash
    (tmp_path / "README.md").write_text("x")
    (tmp_path / "model.bin").write_bytes(b"a pickle beside safetensors is not read")
    assert find_checkpoint(str(tmp_path), None, ("config.json",)).hash == first
    (tmp_path / "config.json").write_text("{ }")
    assert find_checkpoint(str(tmp_path), None, ("config.json",)).hash != first


def test_a_folder_without_weights_is_an_error(tmp_path):
    with pytest.raises(MferError, match="no weights"):
        find_checkpoint(str(tmp_path), None, ())
