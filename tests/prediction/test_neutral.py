"""A person's own neutral: the calm stretch reads as neutral, and odds change alike everywhere."""

import numpy as np
import pandas as pd
import pytest

from mfer_core.base.errors import MferError
from mfer_core.prediction.neutral import AT_REST, PersonalNeutral, calm_shares

CLASSES = ("neutral", "happy", "sad")


@pytest.fixture
def windows():
    """A face that is sad at rest, from 0 to 20 s; audio from 10 s on."""
    rng = np.random.default_rng(2)
    rows = []
    for arm, first in (("visual", 0), ("audio", 10)):
        shares = rng.dirichlet((2, 1, 6), 20 - first)
        rows += [
            {"path": "a", "start_s": float(first + at), "end_s": first + at + 1.0, "arm": arm, "label": "sad"}
            | dict(zip(CLASSES, share, strict=True))
            for at, share in enumerate(shares)
        ]
    return pd.DataFrame(rows)


def test_the_calm_stretch_itself_reads_as_neutral(windows):
    visual = windows[windows.arm == "visual"]
    adjusted, _ = PersonalNeutral(calm_shares(visual, CLASSES)).adjust(visual, visual, CLASSES)
    mean = np.exp(np.log(adjusted[list(CLASSES)].to_numpy()).mean(0))
    assert mean / mean.sum() == pytest.approx([AT_REST, (1 - AT_REST) / 2, (1 - AT_REST) / 2])
    assert (
        (adjusted.label == "neutral").mean()
        > 0.5
        > (visual[list(CLASSES)].idxmax(axis=1) == "neutral").mean()
    )
    assert adjusted[list(CLASSES)].sum(axis=1).to_numpy() == pytest.approx(1)
    assert list(adjusted.label) == list(adjusted[list(CLASSES)].idxmax(axis=1))


def test_odds_change_by_one_factor_everywhere(windows):
    _, adjusted = PersonalNeutral(calm_shares(windows[:5], CLASSES)).adjust(windows[:1], windows, CLASSES)
    visual = windows.arm == "visual"
    for one, other in (("neutral", "happy"), ("sad", "happy")):
        factor = (adjusted[one] / adjusted[other]) / (windows[one] / windows[other])
        assert factor[visual].to_numpy() == pytest.approx(factor[0])
    assert adjusted[~visual].equals(windows.assign(label=adjusted.label)[~visual]) or np.allclose(
        adjusted.loc[~visual, list(CLASSES)], windows.loc[~visual, list(CLASSES)]
    ), "an arm without a say in the calm stretch stays as it is"


def test_the_first_seconds_serve_as_the_calm_stretch(windows):
    first, _ = PersonalNeutral(first_s=10.0).adjust(windows, windows, CLASSES)
    given = PersonalNeutral(calm_shares(windows[windows.end_s <= 10.0], CLASSES))
    pd.testing.assert_frame_equal(first, given.adjust(windows, windows, CLASSES)[0])


def test_a_model_without_neutral_has_no_baseline(windows):
    with pytest.raises(MferError, match="needs a model with the class neutral"):
        calm_shares(windows, ("happy", "sad"))
