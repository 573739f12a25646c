"""Who becomes the champion of the registry."""

import numpy as np
import pandas as pd
import pytest

from mfer_core.base.files import write_table
from mfer_core.base.labels import label_set
from mfer_core.base.settings import load_settings
from mfer_core.cache.code import ROOT
from tasks.tracking.champion import PREDICTIONS, beats, paired_test, standing

EIGHT = label_set("eight")
BETTER = {"accuracy_difference": 0.1, "accuracy_p": 0.01}
CHANCE = {"accuracy_difference": 0.1, "accuracy_p": 0.06}
WORSE = {"accuracy_difference": -0.1, "accuracy_p": 0.01}


def version(protocol="luna5", benchmark="ravdess", synthetic=False, accuracy=0.6):
    return standing(protocol, benchmark, synthetic, accuracy)


@pytest.mark.parametrize(
    ("new", "champion", "paired", "wins", "reason"),
    [
        (version(), None, None, True, "there was none"),
        (version(), version(), BETTER, True, "+10.0 points of accuracy on the same test clips, p = 0.01"),
        (version(), version(), CHANCE, False, "p = 0.06 by speaker (to be below 0.05)"),
        (version(), version(), WORSE, False, "-10.0 points"),
        (version(accuracy=0.99), version(accuracy=0.1), None, False, "not tested on the same clips"),
        (version("report5", accuracy=0.99), None, None, False, "leaky"),
        (version("statement", accuracy=0.99), None, None, False, "same speakers"),
        (version("report5-inner"), version(), BETTER, False, "leaky"),
        (version("loso"), version(), BETTER, False, "another protocol"),
        (version(benchmark="custom"), version(), BETTER, False, "another benchmark"),
        (version(), version(synthetic=True), None, True, "recordings"),
        (version(synthetic=True), version(), BETTER, False, "recordings"),
        (version(), {"protocol": "luna5", "mfer.accuracy": "0.5"}, BETTER, False, "another benchmark"),
    ],
)
def test_the_champion_is_the_best_by_a_test_on_what_can_be_compared(new, champion, paired, wins, reason):
    crowned, said = beats(new, champion, paired)
    assert crowned is wins
    assert reason in said


def predictions(hits: float, speakers: int = 8, clips: int = 20) -> pd.DataFrame:
    """A share ``hits`` of every speaker's clips is right."""
    rows = []
    for speaker in range(speakers):
        for clip in range(clips):
            label = clip % 8
            answer = label if clip < hits * clips else (label + 1) % 8
            facts = {"clip_id": f"{speaker}/{clip}", "fold": speaker % 2, "seed": 42, "speaker": str(speaker)}
            shares = dict(zip(EIGHT, np.eye(8, dtype=np.float32)[answer], strict=True))
            rows.append(facts | {"label": EIGHT[label]} | shares)
    return pd.DataFrame(rows)


def test_two_models_are_compared_on_the_clips_that_both_were_tested_on(tmp_path):
    for name, table in {"new": predictions(0.9), "old": predictions(0.5), "few": predictions(0.5, 4)}.items():
        write_table(tmp_path / name / PREDICTIONS, table)
    settings = load_settings(ROOT / "params.yaml")
    test = paired_test(tmp_path / "new", tmp_path / "old", settings)
    assert test["accuracy_difference"] == pytest.approx(0.4)
    assert test["accuracy_p"] == pytest.approx(2 / 2**8), "eight speakers, all of them better"
    assert paired_test(tmp_path / "new", tmp_path / "few", settings) is None
    assert paired_test(tmp_path / "new", tmp_path / "of an earlier version", settings) is None
