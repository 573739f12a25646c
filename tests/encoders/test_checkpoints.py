import pytest

from mfer_core.base.errors import MferError
from mfer_core.encoders import checkpoints
from mfer_core.encoders.checkpoints import find_checkpoint, weights_files
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


def test_what_the_hub_says_is_told_in_one_line(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError("401 Client Error.\n\nAccess to this model is restricted")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpoints, "_from_huggingface", refuse)
    monkeypatch.setattr(checkpoints, "_ask_huggingface", refuse)
    with pytest.raises(MferError) as error:
        find_checkpoint("some/model", None, ())
    for line in (str(error.value), checkpoints.why_missing("some/model", None)):
        assert "(OSError: 401 Client Error. Access to this model is restricted): put its files into" in line


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


def test_a_trainings_checkpoint_beside_the_weights_is_none_of_them(tmp_path):
    for name in ("checkpoint.safetensors", "model.safetensors", "training_args.bin", "pytorch_model.bin"):
        (tmp_path / name).touch()
    assert weights_files(tmp_path) == [tmp_path / "model.safetensors"]
    (tmp_path / "checkpoint.safetensors").unlink()
    (tmp_path / "model.safetensors").unlink()
    assert weights_files(tmp_path) == [tmp_path / "pytorch_model.bin"]


def test_a_folder_without_weights_is_an_error(tmp_path):
    with pytest.raises(MferError, match="no weights"):
        find_checkpoint(str(tmp_path), None, ())
