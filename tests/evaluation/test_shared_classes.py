"""Classes that models and another corpus share, by name."""

import numpy as np
import pandas as pd
import pytest

from mfer_core.base.errors import MferError
from mfer_core.base.labels import EIGHT
from mfer_core.evaluation.shared_classes import share_classes

SIX = ("neutral", "happy", "sad", "angry", "fearful", "disgust")
CALM = {"calm": "neutral"}


def test_models_of_eight_answer_a_corpus_of_six_among_the_six():
    classes = share_classes(EIGHT, SIX, CALM, "crema_d")
    assert classes.shared == list(SIX)
    shares = np.full((1, 8), 0.1)
    shares[0, EIGHT.index("calm")] = 0.3
    answered = dict(zip(EIGHT, classes.answer(shares)[0], strict=True))
    assert answered["calm"] == answered["surprised"] == 0
    assert answered["neutral"] == pytest.approx(0.4 / 0.9) and answered["sad"] == pytest.approx(0.1 / 0.9)


def test_a_corpus_of_eight_is_scored_by_models_of_six_on_the_clips_that_have_a_class():
    classes = share_classes(SIX, EIGHT, CALM, "ravdess")
    manifest = pd.DataFrame({"clip_id": list(EIGHT), "label": EIGHT})
    classified = classes.classify(manifest).set_index("clip_id").label
    assert "surprised" not in classified and classified["calm"] == "neutral"
    table = classes.table("ravdess", manifest.label).frame.set_index(["label of", "label"])
    assert table.loc[("ravdess", "calm"), "counts as"] == "neutral"
    assert table.loc[("ravdess", "surprised"), "counts as"] == "left out"


def test_calm_is_right_for_a_neutral_clip_where_the_corpus_knows_one_baseline_and_else_stays():
    shares = np.zeros((2, 8))
    neutral, sad, calm = (EIGHT.index(name) for name in ("neutral", "sad", "calm"))
    shares[:, calm], shares[:, sad], shares[0, neutral] = 0.5, 0.3, 0.2
    known = [name for name in EIGHT if name != "calm"]
    merged = share_classes(EIGHT, known, CALM, "set").answer(shares)
    assert merged[:, neutral].tolist() == pytest.approx([0.7, 0.5]) and (merged[:, calm] == 0).all()
    assert share_classes(EIGHT, EIGHT, CALM, "set").answer(shares) is shares


def test_one_shared_class_is_too_few():
    with pytest.raises(MferError, match=r"share 1 classes.*transfer.mapping"):
        share_classes(("happy", "bored"), ["happy", "sad"], {}, "set")
