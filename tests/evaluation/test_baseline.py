"""The classical baseline: its features and its folds."""

import numpy as np
import pandas as pd
import pytest
from torchaudio.transforms import MFCC

from mfer_core.base.labels import label_set
from mfer_core.base.manifest import read_manifest
from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.evaluation.baseline import (
    COEFFICIENTS,
    SPECTRUM,
    baseline_features,
    baseline_predictions,
    features,
)
from mfer_core.evaluation.pretraining import pretraining_tables


@pytest.mark.parametrize("samples", [1, 4000, 48000])
def test_features_exist_for_any_length_and_end_with_the_duration(samples):
    mfcc = MFCC(SAMPLE_RATE, COEFFICIENTS, melkwargs=SPECTRUM)
    values = features(np.random.default_rng(0).normal(size=samples).astype(np.float32), mfcc)
    assert values.shape == (20 * 2 * 4 + 3 + 1,)
    assert np.isfinite(values).all() and values[-1] == pytest.approx(samples / SAMPLE_RATE)


def test_each_clip_outside_training_is_predicted_once_per_protocol(trained):
    data, settings = trained
    manifest = read_manifest(data / "ingest" / "ravdess" / "manifest.parquet")
    folds = pd.read_parquet(data / "folds" / "folds.parquet")
    values = baseline_features(data / "extract" / settings.roles.benchmark, set(manifest.clip_id))
    table = baseline_predictions(values, manifest, folds, label_set("eight"))
    assert (table.groupby(["protocol", "clip_id"]).size() == 1).all() and len(table) == 3 * len(manifest)
    assert np.allclose(table[list(label_set("eight"))].sum(axis=1), 1, atol=1e-5)
    right = table[list(label_set("eight"))].idxmax(axis=1) == table.label
    assert right[table.protocol == "groupk:2"].mean() > 0.9  # the tone's height gives the emotion away


def test_silence_at_the_ends_changes_nothing():
    mfcc = MFCC(SAMPLE_RATE, COEFFICIENTS, melkwargs=SPECTRUM)
    tone = np.sin(np.arange(16000) / 10).astype(np.float32)
    quiet = np.full(8000, 1e-4, np.float32)
    np.testing.assert_array_equal(features(np.concatenate([quiet, tone, quiet]), mfcc), features(tone, mfcc))


def test_stage_2a_has_the_svm_and_the_references_deviations_beside_it(trained):
    data, settings = trained
    table = pretraining_tables(data, settings)["pretraining"].frame.set_index("corpus")
    tested = pd.read_parquet(data / "pretrain_audio" / "predictions.parquet")
    ours = table[~table.index.str.contains("reference|leaky")]
    assert ours.clips.astype(int).to_dict() == {"all": len(tested), **tested.corpus.value_counts()}
    svm = ours["SVM accuracy"].str.split(" ").str[0].astype(float)
    assert (svm > 90).all(), "the tone's height gives the emotion away"
    assert table.loc["crema_d (reference)", "angry"] == "97.01 ± 0.47"
    assert table.loc["sdc (reference)", "sad"] == "48.57 ± 14.57"
    assert (ours.drop("all")["labels seen by the encoder"] == "yes (trained on it by this pipeline)").all()
    alone = settings.model_copy(update={"evaluate": settings.evaluate.model_copy(update={"baseline": False})})
    assert (pretraining_tables(data, alone)["pretraining"].frame["SVM accuracy"].head(5) == "-").all()
