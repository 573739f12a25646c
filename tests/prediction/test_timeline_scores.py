"""Scores of timelines: against counting by hand, moment by moment."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.prediction.timeline_scores import boundary_error, changes, emotion_error_rate
from mfer_core.prediction.windows import label_segments, window_spans

LABELS = st.sampled_from(["happy", "sad", "calm"])
PIECES = st.lists(st.tuples(st.integers(1, 5), LABELS | st.none()), min_size=1, max_size=8)


def segments(pieces):
    """Pieces of whole tenths of a second one after the other; None is a gap."""
    ends = np.cumsum([length for length, _ in pieces]) / 10
    starts = [0.0, *ends[:-1]]
    return [
        (float(start), float(end), label)
        for start, end, (_, label) in zip(starts, ends, pieces, strict=True)
        if label is not None
    ]


def moments(pieces, count):
    """The label of every tenth of a second."""
    labels = [label for length, label in pieces for _ in range(length)]
    return (labels + [None] * count)[:count]


@given(st.lists(st.tuples(st.integers(1, 5), LABELS), min_size=1, max_size=8), PIECES)
def test_the_error_rate_is_the_share_of_moments_with_another_label(truth, timeline):
    moment_count = max(sum(length for length, _ in pieces) for pieces in (truth, timeline))
    pairs = zip(moments(truth, moment_count), moments(timeline, moment_count), strict=True)
    wrong = sum(one != other for one, other in pairs)
    expected = wrong / sum(length for length, _ in truth)
    assert emotion_error_rate(segments(truth), segments(timeline)) == pytest.approx(expected)


def test_a_boundary_is_as_far_off_as_the_nearest_change():
    truth = [(0.0, 3.0, "sad"), (3.0, 6.0, "happy"), (6.0, 10.0, "sad")]
    timeline = [(0.0, 3.5, "sad"), (3.5, 4.0, "happy"), (4.0, 5.0, "happy"), (5.0, 10.0, "calm")]
    assert changes(timeline) == [3.5, 5.0]
    assert boundary_error(truth, timeline) == pytest.approx((0.5 + 1.0) / 2)
    assert boundary_error(truth, truth) == 0
    assert boundary_error(truth, [(0.0, 10.0, "sad")]) == pytest.approx((3.0 + 4.0) / 2), "the ends are known"
    assert np.isnan(boundary_error(truth[:1], timeline))


@given(st.lists(st.tuples(st.integers(5, 40), LABELS), min_size=1, max_size=6), st.sampled_from([0.5, 1.0]))
def test_windows_that_know_the_truth_at_their_middle_are_wrong_for_half_a_step_per_change(pieces, step_s):
    truth, window_s = segments(pieces), 2.0
    duration_s = truth[-1][1]
    spans = window_spans(duration_s, window_s, step_s)
    middles = [start + window_s / 2 for start, _ in spans]
    labels = [next((label for _, end, label in truth if middle < end), truth[-1][2]) for middle in middles]
    facts = {"start_s": [start for start, _ in spans], "end_s": [end for _, end in spans], "label": labels}
    timeline = label_segments(pd.DataFrame(facts).assign(arm="fused"), "fused", step_s)
    inside = [time for time in changes(truth) if window_s / 2 <= time <= spans[-1][0] + window_s / 2]
    ends_s = 2 * window_s  # The first and the last window speak for all before and after their middles.
    wrong_s = emotion_error_rate(truth, timeline) * duration_s
    assert wrong_s <= len(inside) * step_s / 2 + ends_s + 1e-6
    if len(inside) == len(changes(truth)):
        assert wrong_s <= len(inside) * step_s / 2 + 1e-6
