"""The predictions that evaluate gathers: those of arms, and of what they are compared with."""

import numpy as np

from mfer_core.base.labels import label_set
from mfer_core.evaluation.arms import normalised_arms, pairs_of
from mfer_core.evaluation.predictions import all_predictions, svm_features
from tests.training.synthetic import manifest_and_folds

EIGHT = label_set("eight")


def test_an_arm_that_is_normalised_by_speaker_meets_rivals_that_are(trained):
    data, settings = trained
    arm = settings.pretrain_audio.model_copy(update={"normalisation": "speaker"})
    normalised = settings.model_copy(update={"pretrain_audio": arm})
    manifest, folds = manifest_and_folds(data)
    features = svm_features(data, settings, manifest)
    predictions = all_predictions(data, normalised, manifest, folds, EIGHT, features)
    for name in ("baseline", "probe_audio", "probe_both"):
        plain, moved = (
            predictions[predictions.arm == arm].set_index(["protocol", "clip_id"])[list(EIGHT)]
            for arm in (name, f"{name}_speaker")
        )
        assert len(plain) == len(moved) and not np.allclose(plain, moved.loc[plain.index], atol=0.01)
    assert "probe_visual_speaker" not in set(predictions.arm)
    pairs = pairs_of(set(predictions.arm), normalised_arms(normalised))
    assert pairs[0] == ("fused", "probe_both_speaker")
    assert ("audio", "baseline_speaker") in pairs and ("visual", "baseline") in pairs
    assert not {("audio", "baseline"), ("fused", "probe_both")} & set(pairs)
    plain = all_predictions(data, settings, manifest, folds, EIGHT, features)
    assert not any(arm.endswith("_speaker") for arm in plain.arm.unique())
