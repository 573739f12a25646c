"""Arms beside what a crowd said: by the label that was meant, and by the crowd's."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mfer_core.base.labels import LabelSet
from mfer_core.base.manifest import clips_frame
from mfer_core.evaluation.benchmark import Benchmark
from mfer_core.evaluation.crowd import crowd_table
from mfer_core.protocol.predictions import prediction_rows
from tests.training.synthetic import clips_of

TWO = ("happy", "sad")


def benchmark(crowd_audio: list[str | None]) -> Benchmark:
    clips = [
        replace(clip, crowd_audio=votes)
        for clip, votes in zip(clips_of("crema_d", 2, 2, TWO), crowd_audio, strict=True)
    ]
    manifest = clips_frame(clips).set_index("clip_id", drop=False)
    seen = {"visual": "none", "audio": "none"}
    return Benchmark("crema_d", "crema_d", True, LabelSet(TWO), manifest, (0,), seen)


def always_happy(manifest: pd.DataFrame) -> pd.DataFrame:
    shares = np.tile([0.9, 0.1], (len(manifest), 1))
    return prediction_rows(manifest.label, "loso", 0, "audio", shares, TWO)


def test_an_arm_is_scored_by_both_labels_on_the_clips_that_the_crowd_agreed_on():
    happy_happy_sad_sad = ["happy", "sad", "happy", "happy:sad"] * 2
    known = benchmark(happy_happy_sad_sad)
    (row,) = crowd_table(always_happy(known.manifest), known, 100, 0).frame.to_dict("records")
    assert row["clips"] == "6", "a tie says nothing"
    assert row["arm, by label: accuracy %"].startswith("66.7")
    assert row["arm, by crowd: accuracy %"].startswith("66.7")
    assert row["crowd, by label: accuracy %"].startswith("33.3")


@pytest.mark.parametrize("votes", [None, "surprised"])
def test_without_votes_for_its_classes_there_are_no_rows_and_it_is_said(votes):
    known = benchmark([votes] * 8)
    table = crowd_table(always_happy(known.manifest), known, 100, 0)
    assert table.frame.empty and "no votes" in table.notes
