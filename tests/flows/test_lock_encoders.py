"""mfer lock-encoders: the weights that are here stand in the settings by hash, and others are refused."""

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows.__main__ import main
from mfer_core.base.errors import MferError
from mfer_core.base.settings import load_settings
from mfer_core.cache.code import ROOT
from mfer_core.encoders.checkpoint_pointer import Source
from mfer_core.encoders.faces import load_faces
from mfer_core.encoders.speech import load_speech
from mfer_core.prediction.predictor import Predictor
from tests.encoders.conftest import NARROW
from tests.flows.test_commands import faults_said
from tests.prediction.models import write_published

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FACES, SPEECH = "someone/faces", "someone/speech"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The committed settings with both encoders published and on this machine, one downloaded by commit."""
    for name in ("params.yaml", "dvc.yaml", "prefect.toml", "profiles"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    checkpoints = Path("data/checkpoints")
    write_published(checkpoints / FACES, checkpoints / SPEECH, NARROW)
    record = checkpoints / FACES / ".cache" / "huggingface" / "download" / "config.json.metadata"
    record.parent.mkdir(parents=True)
    record.write_text(f"{COMMIT}\netag\n1700000000.0\n")
    yaml = YAML()
    values = yaml.load(Path("params.yaml"))
    values["pretrain_vit"]["checkpoint"] = FACES
    values["pretrain_emotion2vec"]["checkpoint"] = SPEECH
    values["predict"] = {"image_encoder": FACES, "speech_encoder": SPEECH, "voice_encoder": "iic/voices"}
    yaml.dump(values, Path("params.yaml"))
    return tmp_path


def spoil(folder: Path) -> None:
    """Another file of the same name, as a publisher's later upload."""
    path = folder / "config.json" if (folder / "config.json").exists() else folder / "config.yaml"
    path.write_text(path.read_text() + "\n")


def test_what_is_here_is_locked_and_the_rest_is_said(project, capsys):
    comments = Path("params.yaml").read_text().count("#")
    assert main(["lock-encoders"]) == 0
    lines = capsys.readouterr().out.splitlines()
    settings = load_settings(Path("params.yaml"))
    vit, speech, predict = settings.pretrain_vit, settings.pretrain_emotion2vec, settings.predict
    assert vit.revision == predict.image_revision == COMMIT
    assert vit.hash == predict.image_hash == load_faces(Source(FACES), "cpu", "fp32").metadata["hash"]
    assert speech.hash == predict.speech_hash == load_speech(Source(SPEECH), "cpu", "fp32").metadata["hash"]
    assert speech.revision is None and predict.voice_hash is None
    assert lines[0] == f"pretrain_vit.checkpoint: {FACES}, revision {COMMIT}, hash {vit.hash}"
    assert lines[-1] == "predict.voice_encoder: iic/voices is not on this machine: not locked"
    assert Path("params.yaml").read_text().count("#") == comments
    assert main(["lock-encoders"]) == 0
    assert "(as before)" in capsys.readouterr().out
    assert main(["check"]) == 0


@pytest.mark.parametrize(("encoder", "stage"), [(FACES, "pretrain_vit"), (SPEECH, "pretrain_emotion2vec")])
def test_other_weights_under_the_name_are_refused_before_a_run_and_when_they_are_loaded(
    project, capsys, encoder, stage
):
    assert main(["lock-encoders"]) == 0
    locked = getattr(load_settings(Path("params.yaml")), stage).hash
    spoil(Path("data/checkpoints") / encoder)
    capsys.readouterr()
    assert main(["check"]) == 1
    (line,) = faults_said(capsys)
    assert line.startswith(f"{stage}.checkpoint: {encoder} has the hash ") and f"{locked} is locked" in line
    load = load_faces if encoder == FACES else load_speech
    with pytest.raises(MferError, match=f"{locked} is locked"):
        load(Source(encoder, hash=locked), "cpu", "fp32")
    settings = load_settings(Path("params.yaml"))
    with pytest.raises(MferError, match=f"{locked} is locked"):
        Predictor.load_published(settings.predict, settings.extract)


def test_nothing_to_lock_is_one_line(project, capsys):
    shutil.rmtree("data/checkpoints")
    assert main(["lock-encoders"]) == 1
    (line,) = faults_said(capsys)
    assert line.startswith("no published encoder to lock: pretrain_vit.checkpoint: someone/faces is not on")
