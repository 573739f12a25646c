"""mfer calibrate: a corpus's labels make the published heads as sure as they are right."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from flows.__main__ import main
from mfer_core.base.manifest import write_manifest
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Predict, load_settings
from mfer_core.cache.code import ROOT
from mfer_core.corpora.ingest import ingest_corpus
from tests.encoders.conftest import NARROW
from tests.media.recordings import face_picture, tone, write_clip
from tests.prediction.models import write_published

LABELS = ("happy", "sad", "angry")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Published encoders, and a set of 21 clips of three people, one of which has no sound."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    checkpoints, chosen = DataPaths().checkpoints, Predict()
    write_published(checkpoints / chosen.image_encoder, checkpoints / chosen.speech_encoder, NARROW)
    yaml = YAML()
    values = yaml.load(Path("params.yaml"))
    mine = {"adapter": "custom", "source": "local", "path": "mine", "speaker_pattern": r"(P\d)\.mp4$"}
    values["corpora"]["custom"] = mine
    yaml.dump(values, Path("params.yaml"))
    for number in range(21):
        path = Path("mine", LABELS[number % 3], f"{number}-P{number % 7 % 3}.mp4")
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = face_picture((160, 90 + number % 5, 100))
        sound = tone(0.4, level=0.1 + 0.02 * number)
        write_clip(path, [picture] * 3, (0, 200, 400), sound)
    read = ingest_corpus("custom", load_settings().corpora["custom"], workers=1)
    DataPaths().ingest("custom").mkdir(parents=True)
    write_manifest(DataPaths().manifest("custom"), read.clips, "custom")
    return tmp_path


def test_both_temperatures_stand_in_the_settings_and_predict_says_so(project, capsys):
    comments = Path("params.yaml").read_text().count("#")
    damaged = Path("mine/happy/0-P0.mp4")
    damaged.write_bytes(damaged.read_bytes()[:300])
    assert main(["calibrate", "custom"]) == 0
    said = capsys.readouterr().out
    predict = load_settings().predict
    assert {predict.image_temperature, predict.speech_temperature}.isdisjoint({1.0})
    assert Path("params.yaml").read_text().count("#") == comments
    rows = {line.split("|")[1].strip(): line.split("|") for line in said.splitlines() if line.startswith("|")}
    assert float(rows["visual"][3]) == pytest.approx(predict.image_temperature, abs=1e-3)
    assert float(rows["audio"][3]) == pytest.approx(predict.speech_temperature, abs=1e-3)
    assert rows["fused"][2].strip() == "20" and "left out: mine/happy/0-P0.mp4: " in said
    before, after = map(float, rows["audio"][4].split("->"))
    assert np.isfinite([before, after]).all()
    kept = {path: path.stat().st_mtime_ns for path in DataPaths().stage("calibrate").iterdir()}
    assert len(kept) == 20
    assert main(["calibrate", "custom"]) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "what is known is not computed again"
    assert load_settings().predict == predict


def test_what_is_of_no_use_is_refused_in_a_line(project, capsys):
    assert main(["calibrate", "nobody"]) == 1
    assert main(["calibrate", "ravdess"]) == 1
    shutil.rmtree(DataPaths().ingest("custom"))
    assert main(["calibrate", "custom"]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    for line, words in zip(lines, ("no corpus nobody", "ravdess is synthetic", "stage ingest"), strict=True):
        assert words in line
