"""Temperatures of published heads, fitted on labelled clips."""

import numpy as np
import pytest

from mfer_core.base.errors import MferError
from mfer_core.cache.heads import Head, soften
from mfer_core.prediction.calibrate import LIMITS, fit
from mfer_core.prediction.published import PublishedHeads

NAMES = ("neutral", "happy", "sad", "angry")


@pytest.fixture
def heads():
    head = Head(np.zeros((4, 2), np.float32), np.zeros(4, np.float32), list(NAMES))
    return PublishedHeads({"visual": head, "audio": head}, {"visual": 1.0, "audio": 1.0})


def clips(heads, count, sureness, seed=0):
    """Logits whose true temperature is ``sureness``, their labels among the heads' classes, six speakers."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(count, 1, 4)) * 2
    labels = [generator.choice(4, p=soften(one)[0]) for one in logits]
    by_arm = [{"visual": sureness["visual"] * one, "audio": sureness["audio"] * one} for one in logits]
    return by_arm, np.array(NAMES)[labels], np.array([f"s{number % 6}" for number in range(count)])


def test_the_temperature_is_how_much_too_sure_a_head_is(heads):
    visual, audio, fused = fit(heads, *clips(heads, 2000, {"visual": 3.0, "audio": 0.5}))
    assert (visual.temperature, audio.temperature) == pytest.approx((3.0, 0.5), rel=0.1)
    for arm in (visual, audio):
        assert arm.after[0] < arm.before[0] and arm.after[1] < arm.before[1]
    assert fused.temperature is None and fused.after[0] == pytest.approx(visual.after[0], rel=0.02)


def test_figures_after_are_of_people_whom_the_temperature_has_not_met(heads):
    """One speaker's labels are always the least likely: of their own the temperature would be the largest."""
    logits, labels, speakers = clips(heads, 600, {"visual": 1.0, "audio": 1.0})
    theirs = speakers == "s0"
    unlikely = np.array(heads.classes)[[by["visual"][0].argmin() for by in logits]]
    alone = fit(heads, logits, np.where(theirs, unlikely, labels), np.where(theirs, "s0", "others"))[0]
    assert alone.after[0] > alone.before[0], "the others' temperature says nothing of this speaker"
    assert LIMITS[0] < alone.temperature < LIMITS[1]


def test_clips_without_a_face_count_for_the_sound_alone(heads):
    logits, labels, speakers = clips(heads, 60, {"visual": 1.0, "audio": 1.0})
    visual, audio, fused = fit(
        heads, [*({"audio": by["audio"]} for by in logits[:30]), *logits[30:]], labels, speakers
    )
    assert (visual.clips, audio.clips, fused.clips) == (30, 60, 60)


@pytest.mark.parametrize(("count", "people"), [(19, 6), (60, 1)])
def test_too_few_clips_or_people_are_refused(heads, count, people):
    logits, labels, speakers = clips(heads, count, {"visual": 1.0, "audio": 1.0})
    with pytest.raises(MferError, match=r"visual: \d+ clips of \d speakers .* at least 20 of at least two"):
        fit(heads, logits, labels, speakers if people > 1 else np.full(count, "one"))
