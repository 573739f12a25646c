"""Every kind of fusion goes from stage 3 to the tables of evaluate and transfer, with clips that lack a
modality, and to the model that is handed out.
"""

import shutil

import pandas as pd
import pytest

from mfer_core.base.files import read_json, read_table
from mfer_core.base.settings.training import TrainFused
from mfer_core.evaluation.evaluate import evaluate
from mfer_core.evaluation.transfer import transfer
from mfer_core.models.fusion import HEADS
from mfer_core.training.final import train_final
from mfer_core.training.stages import STAGES, collect_predictions, folds_to_train, train_fold
from tests.training.synthetic import (
    small_settings,
    train_all,
    write_benchmark,
    write_pretraining,
    write_transfer,
)


def settings_of(fusion):
    evaluation = {"bootstrap": 100, "permutations": 100, "baseline": False}
    return small_settings(
        folds={"refit": True},
        evaluate=evaluation,
        transfer={"shots": [0, 1], "draws": 1},
        train_visual={"probe": False},
        train_audio={"probe": False},
        train_fused={"fusion": fusion, "start": "shares", "epochs": 2, "learning_rate": 1e-2},
    )


@pytest.fixture(scope="module")
def arms(tmp_path_factory):
    """A data folder with everything up to stage 3, which is done for the linear layer."""
    data, settings = tmp_path_factory.mktemp("arms"), settings_of("linear")
    write_benchmark(data, settings, speakers=4, gap=5)
    write_pretraining(data, settings, speakers=3, repeats=1)
    write_transfer(data, settings, speakers=2, repeats=1)
    train_all(data, settings)
    return data


def test_the_setting_names_what_there_is():
    assert set(TrainFused.model_fields["fusion"].annotation.__args__) == set(HEADS)


@pytest.mark.parametrize("fusion", [kind for kind in HEADS if kind != "linear"])  # which other tests train
def test_a_kind_of_fusion_is_trained_scored_and_handed_out(fusion, arms, tmp_path):
    data, settings = tmp_path / "data", settings_of(fusion)
    shutil.copytree(arms, data)
    for name in folds_to_train("train_fused", data, settings):
        folder = train_fold("train_fused", *name, data, settings)
        config = read_json(folder / "config.json")
        assert config["model"]["fusion"] == fusion and len(config["stacked"]["shares"]) == 2
        if fusion == "product":
            assert config["best_epoch"] == 0 and list(pd.read_csv(folder / "history.csv").epoch) == [0]
    collect_predictions("train_fused", data, settings)
    metrics = evaluate(data, settings)["groupk:2"]
    assert metrics["fused"]["accuracy"]["pooled"] > 0.25  # chance: 0.125
    predictions = read_table(data / "evaluate" / "predictions.parquet")
    seen = {arm: set(rows.clip_id) for arm, rows in predictions.groupby("arm")}
    assert seen["fused"] == seen["visual"] | seen["audio"] and seen["visual"] != seen["audio"]
    assert "fused" in (data / "evaluate" / "tables" / "results.md").read_text()
    moved = transfer(data, settings)["groupk:2"]["fused"]
    assert {"0-shot", "1-shot"} <= set(moved)
    for stage in STAGES:
        train_final(stage, data, settings)
    final = read_json(data / "train_final" / "fused" / "config.json")
    assert final["model"]["fusion"] == fusion and len(final["training_speakers"]) == 4
