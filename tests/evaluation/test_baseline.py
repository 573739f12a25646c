"""The classical baseline: its features and its folds."""

import numpy as np
import pandas as pd
import pytest
from torchaudio.transforms import MFCC

from mfer_core.base.labels import label_set
from mfer_core.base.manifest import read_manifest
from mfer_core.evaluation.baseline import (
    COEFFICIENTS,
    SAMPLE_RATE,
    SPECTRUM,
    baseline_features,
    baseline_predictions,
    features,
)
from mfer_core.evaluation.pretraining import pretraining_baseline


@pytest.mark.parametrize("samples", [1, 4000, 48000])
def test_features_exist_for_any_length_and_end_with_the_duration(samples):
    mfcc = MFCC(SAMPLE_RATE, COEFFICIENTS, melkwargs=SPECTRUM)
    values = features(np.random.default_rng(0).normal(size=samples).astype(np.float32), mfcc)
    assert values.shape == (20 * 2 * 4 + 4 + 1,)
    assert np.isfinite(values).all() and values[-1] == pytest.approx(samples / SAMPLE_RATE)


def test_each_clip_outside_training_is_predicted_once_per_protocol(trained):
    data, settings = trained
    manifest = read_manifest(data / "ingest" / "ravdess" / "manifest.parquet")
    folds = pd.read_parquet(data / "folds" / "folds.parquet")
    values = baseline_features(data / "extract" / settings.roles.benchmark, set(manifest.clip_id))
    table = baseline_predictions(values, manifest, folds, label_set("eight"))
    assert (table.groupby(["protocol", "clip_id"]).size() == 1).all() and len(table) == 2 * len(manifest)
    assert np.allclose(table[list(label_set("eight"))].sum(axis=1), 1, atol=1e-5)
    right = table[list(label_set("eight"))].idxmax(axis=1) == table.label
    assert right[table.protocol == "groupk:2"].mean() > 0.9  # the tone's height gives the emotion away


def test_stage_2a_has_the_svm_beside_it_on_the_same_clips(trained):
    data, settings = trained
    svm, tested = (
        pretraining_baseline(data, settings),
        pd.read_parquet(data / "pretrain_audio" / "predictions.parquet"),
    )
    assert {name: row["clips"] for name, row in svm.items()} == {
        "all": len(tested),
        **tested.corpus.value_counts(),
    }
    assert all(row["accuracy"] > 0.9 for row in svm.values()), "the tone's height gives the emotion away"
    assert (
        pretraining_baseline(
            data,
            settings.model_copy(
                update={"evaluate": settings.evaluate.model_copy(update={"baseline": False})}
            ),
        )
        == {}
    )
