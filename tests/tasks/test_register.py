"""The registered model is the one that learned from all clips, whole, readable by others."""

import os
from pathlib import Path

import pandas as pd
import pytest

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_table, write_json, write_table
from mfer_core.base.manifest import Clip, write_manifest
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import WHOLE_S, load_settings
from mfer_core.cache.code import ROOT
from mfer_core.prediction.model_settings import ModelSettings
from tasks.register import assemble_model
from tasks.tracking.champion import PREDICTIONS
from tests.tasks.tracking.test_model_card import CONFIG, METRICS


@pytest.fixture
def data(tmp_path):
    """The final model, both encoders (readable by their owner alone) and the figures of stage evaluate."""
    data = DataPaths(tmp_path)
    write_json(data.final("train_fused") / "config.json", CONFIG)
    pd.DataFrame({"epoch": [1]}).to_csv(data.final("train_fused") / "history.csv", index=False)
    for modality in ("visual", "audio"):
        data.encoder(modality).mkdir()
        (data.encoder(modality) / "model.safetensors").write_bytes(modality.encode())
        (data.encoder(modality) / "model.safetensors").chmod(0o600)
    (data.encoders_without / "urdu").mkdir(parents=True)
    (data.encoders_without / "urdu" / "model.safetensors").touch()
    write_json(data.metrics("evaluate"), METRICS)
    rows = [("luna5", "fused"), ("luna5", "audio"), ("report5", "fused")]
    predictions = pd.DataFrame(rows, columns=["protocol", "arm"]).assign(
        clip_id="ravdess/a", fold=0, seed=42, label="sad"
    )
    write_table(data.predictions("evaluate"), predictions)
    clip = {"corpus": "ravdess", "path": "a.wav", "sha256": "1", "label": "sad", "speaker": "ravdess-07"}
    write_manifest(data.manifest("ravdess"), [Clip(clip_id="ravdess/a", has_audio=True, **clip)], "ravdess")
    return data


@pytest.fixture(scope="module")
def settings():
    return load_settings(ROOT / "params.yaml")


def test_without_a_final_model_there_is_a_line(tmp_path, settings):
    with pytest.raises(MferError, match=r"^cannot read .*train_final/fused/config\.json"):
        assemble_model.fn(DataPaths(tmp_path), settings)


def test_the_model_hears_recordings_as_the_benchmark_was_heard(data, settings):
    embed = settings.embed.model_copy(update={"vad": "pretraining"})
    for name, expected in ((settings, 3.0), (settings.model_copy(update={"embed": embed}), WHOLE_S)):
        assemble_model.fn(data, name)
        assert ModelSettings.read(data.model).extract.vad_min_clip_s == expected


def test_the_model_is_whole_nothing_of_an_earlier_one_is_in_it_and_others_may_read_it(data, settings):
    (data.model / "fused").mkdir(parents=True)
    (data.model / "fused" / "of-before.txt").touch()
    before = os.umask(0o022)
    try:
        assert assemble_model.fn(data, settings) == data.model
    finally:
        os.umask(before)
    files = {str(path.relative_to(data.model)): path for path in data.model.rglob("*") if path.is_file()}
    names = {"README.md", "settings.json", PREDICTIONS, "fused/config.json", "fused/history.csv"}
    assert set(files) == names | {f"{modality}/model.safetensors" for modality in ("visual", "audio")}
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o644}
    (tested,) = read_table(files[PREDICTIONS]).to_dict("records")
    assert (tested["protocol"], tested["arm"], tested["speaker"]) == ("luna5", "fused", "ravdess-07")
    assert "all 640 clips of 2 speakers of ravdess (seed 42)" in Path(files["README.md"]).read_text()
