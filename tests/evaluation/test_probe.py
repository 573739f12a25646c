"""The probe is a plain logistic regression: standardised by its training clips, chosen on the inner split,
refitted.
"""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mfer_core.base.labels import label_set
from mfer_core.evaluation.probe import design, probe_of
from mfer_core.models.regression import STRENGTHS

EIGHT = label_set("eight")


def world(dim: int, clips: int = 160):
    """Features with a class each, labels and folds of one protocol: a quarter of the clips in valid, a
    quarter in test.
    """
    rng = np.random.default_rng(0)
    names = [f"c/{number:03d}" for number in range(clips)]
    labels = pd.Series([EIGHT[number % 8] for number in range(clips)], names)
    centres = rng.normal(size=(8, dim))
    strength = 0.5 * (12 / dim) ** 0.5
    values = {
        name: strength * centres[number % 8] + rng.normal(size=dim) for number, name in enumerate(names)
    }
    part = np.resize(["train"] * 16 + ["valid"] * 8 + ["test"] * 8, clips)
    return values, labels, pd.DataFrame({"protocol": "luna5", "fold": 0, "clip_id": names, "part": part})


@pytest.mark.parametrize("dim", [12, 300])
@pytest.mark.parametrize("refit", [False, True])
def test_the_probe_is_scikit_learns_regression_with_the_strength_of_the_inner_split(dim, refit):
    values, labels, folds = world(dim)
    clips = {part: sorted(rows) for part, rows in folds.groupby("part").clip_id}
    inputs = {part: np.stack([values[clip] for clip in several]) for part, several in clips.items()}

    def fitted(strength, *parts):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
        return model.fit(
            np.concatenate([inputs[part] for part in parts]),
            np.concatenate([labels[clips[part]] for part in parts]),
        )

    errors = [
        log_loss(labels[clips["valid"]], fitted(strength, "train").predict_proba(inputs["valid"]))
        for strength in STRENGTHS
    ]
    best = STRENGTHS[int(np.argmin(errors))]
    assert best not in (STRENGTHS[0], STRENGTHS[-1]), "else the choice would not show"
    plain = fitted(best, *(("train", "valid") if refit else ("train",)))
    table = probe_of("probe_audio", {"audio": values}, labels, folds, refit, EIGHT).set_index("clip_id")
    expected = pd.DataFrame(plain.predict_proba(inputs["test"]), clips["test"], list(plain.classes_))
    np.testing.assert_allclose(table[list(EIGHT)], expected.loc[table.index, list(EIGHT)], atol=2e-3)


def test_where_the_epoch_is_picked_on_the_test_fold_so_is_the_strength_and_nothing_is_refitted():
    values, labels, folds = world(12)
    both = folds[folds.part == "test"].assign(part="valid")
    peeking = pd.concat([folds[folds.part != "valid"], both]).assign(protocol="report5")
    table = probe_of("probe_audio", {"audio": values}, labels, peeking, True, EIGHT)
    again = probe_of("probe_audio", {"audio": values}, labels, peeking, False, EIGHT)
    pd.testing.assert_frame_equal(table, again)


def test_a_clip_without_a_modality_is_the_training_mean_there():
    values, labels, folds = world(12)
    heard = {clip: value for clip, value in values.items() if clip not in ("c/000", "c/031")}
    train = sorted(folds.clip_id[folds.part == "train"])
    inputs, other = design({"visual": values, "audio": heard}, train, ["c/031"])
    assert (inputs[train.index("c/000"), 12:] == 0).all() and (other[0, 12:] == 0).all()
    table = probe_of("probe_both", {"visual": values, "audio": heard}, labels, folds, True, EIGHT)
    assert "c/031" in set(table.clip_id)
