"""A model as a repository of a hub: no code, no pickle, the same figures wherever it is loaded from."""

import shutil

import pytest
from huggingface_hub import ModelCard

from benchmarks.rehearsal.hub import Repository, serving_models
from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json, write_json
from mfer_core.encoders.checkpoint_pointer import Source, name_published
from mfer_core.encoders.checkpoints import find_checkpoint
from mfer_core.encoders.emotion2vec import SHAPING_FILES
from mfer_core.prediction import Predictor
from mfer_core.prediction.hub_folder import Figure, is_hub_id, model_from_hub, write_hub_folder
from tests.encoders.conftest import NARROW
from tests.prediction.models import write_published

FIGURES = [Figure("ravdess", "luna5", "accuracy", 0.61234, 660), Figure("ravdess", "luna5", "uar", 0.6, 660)]


@pytest.fixture(scope="module")
def repository(model, tmp_path_factory):
    """The model's folder as a repository, of a folder in which a pipeline left more than a model needs."""
    source = shutil.copytree(model, tmp_path_factory.mktemp("model") / "model")
    (source / "README.md").write_text("# The card\n\nWhat must be known.\n")
    for extra in ("fused/history.csv", "fused/selection.safetensors", "test_predictions.parquet"):
        (source / extra).write_bytes(b"not for others")
    out = tmp_path_factory.mktemp("out") / "repository"
    write_hub_folder(source, out, FIGURES, onnx=True)
    return out


@pytest.fixture
def hub(repository, tmp_path, monkeypatch):
    """The repository on a hub, and another model's beside it."""
    other = tmp_path / "other"
    other.mkdir()
    write_json(other / "config.json", {"model_type": "vit"})
    (repository / "trap.py").write_text("raise SystemExit('code was run')")
    (repository / "trap.bin").write_bytes(b"a pickle")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with serving_models(
        [Repository("someone/mfer", repository), Repository("someone/vit", other)]
    ) as address:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield
    (repository / "trap.py").unlink()
    (repository / "trap.bin").unlink()


def test_a_repository_holds_what_a_model_needs_and_nothing_else(repository):
    files = {path.relative_to(repository).as_posix() for path in repository.rglob("*") if path.is_file()}
    encoders = {
        "audio/config.yaml",
        "audio/configuration.json",
        "audio/tokens.txt",
        "audio/model.safetensors",
    }
    encoders |= {
        f"visual/{name}" for name in ("config.json", "preprocessor_config.json", "model.safetensors")
    }
    graphs = {f"onnx/{arm}.onnx" for arm in ("visual", "audio", "fused")}
    here = {"README.md", "config.json", "settings.json", "fused/config.json", "fused/model.safetensors"}
    assert files == encoders | graphs | here


def test_the_card_has_metadata_that_the_hub_reads_and_says_what_the_models_card_says(repository):
    card = ModelCard.load(repository / "README.md")
    assert (card.data.library_name, card.data.license, card.data.model_name) == ("mfer", "mit", "mfer")
    assert {"emotion-recognition", "synthetic", "onnx"} <= set(card.data.tags)
    assert [(result.metric_type, result.metric_value) for result in card.data.eval_results] == [
        ("accuracy", 0.6123),
        ("uar", 0.6),
    ]
    assert "What must be known." in card.text and "mfer predict my_video.mp4 --model" in card.text
    config = read_json(repository / "config.json")
    assert config["model_type"] == "mfer" and list(config["id2label"].values())[:2] == ["neutral", "calm"]


def test_it_predicts_what_the_model_predicts_from_a_folder_and_from_a_hub(
    repository, hub, predictor, recordings, tmp_path
):
    expected = predictor.predict([recordings / "short.mp4"])
    for folder in (repository, model_from_hub("someone/mfer"), model_from_hub("someone/mfer@main")):
        loaded = Predictor.load(folder)
        assert loaded.predict([recordings / "short.mp4"]).equals(expected)
        assert loaded.identity == predictor.identity
    names = {path.name for path in (tmp_path / "cache").rglob("*")}
    assert "README.md" in names and not names & {"trap.py", "trap.bin", "fused.onnx"}


def test_what_a_hub_has_not_or_is_no_model_is_one_line(hub):
    with pytest.raises(MferError, match=r"^no folder someone/nothing, and the hub does not offer it now"):
        model_from_hub("someone/nothing")
    with pytest.raises(MferError, match=r"someone/vit on the hub is no model of mfer \(model_type 'vit'"):
        model_from_hub("someone/vit")


def test_a_name_is_a_hubs_where_it_reads_like_one_and_no_folder_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_hub_id("someone/mfer") and is_hub_id("some-one/mfer.v2@refs/pr/1")
    for path in ("data/register/model", "mfer", "/a/b", "../model", "models:/mfer@champion", "a/b/", "~/m"):
        assert not is_hub_id(path)
    (tmp_path / "someone" / "mfer").mkdir(parents=True)
    assert not is_hub_id("someone/mfer")


@pytest.mark.parametrize("here", [False, True], ids=["by its id", "in a folder"])
def test_a_published_encoder_stays_where_it_is_published_and_a_pickle_is_not_handed_on(
    model, tmp_path, monkeypatch, here
):
    monkeypatch.chdir(tmp_path)
    source, name = shutil.copytree(model, tmp_path / "model"), "someone/speech"
    speech = tmp_path / ("speech" if here else f"data/checkpoints/{name}")
    write_published(tmp_path / "faces", speech, NARROW)
    shutil.rmtree(source / "audio")
    name_published(source / "audio", Source(str(speech) if here else name))
    facts = {"name": name, "hash": find_checkpoint(str(speech), None, SHAPING_FILES).hash}
    config = read_json(source / "fused" / "config.json") | {"encoders": {"audio": facts}}
    write_json(source / "fused" / "config.json", config)
    if here:
        with pytest.raises(MferError, match=r"the encoder in .*speech is a pickle, which is not handed on"):
            write_hub_folder(source, tmp_path / "out", [])
        assert not (tmp_path / "out").exists()
        return
    write_hub_folder(source, tmp_path / "out", [])
    assert [path.name for path in (tmp_path / "out" / "audio").iterdir()] == ["published.json"]
    assert ModelCard.load(tmp_path / "out" / "README.md").data.base_model == [name]
    assert Predictor.load(tmp_path / "out").audio.metadata["hash"] == facts["hash"]


def test_a_folder_that_holds_something_is_left_alone(model, tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(MferError, match="not empty"):
        write_hub_folder(model, tmp_path, [])
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
