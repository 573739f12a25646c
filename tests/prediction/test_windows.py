"""Windows of time over a recording's embeddings."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.base.errors import MferError
from mfer_core.prediction.windows import RecordingEmbeddings, label_segments, window_spans

SECONDS = st.floats(0.1, 60)


@given(SECONDS, SECONDS, st.floats(0.05, 1))
def test_windows_cover_a_recording_from_its_start_to_its_end(duration_s, window_s, share):
    step_s = share * window_s
    spans = window_spans(duration_s, window_s, step_s)
    assert (spans[0][0], spans[-1][1]) == (0, pytest.approx(duration_s))
    assert all(0 < end - start <= window_s + 1e-9 for start, end in spans)
    assert all(later[0] - earlier[0] == pytest.approx(step_s) for earlier, later in pairwise(spans))
    assert all(end == pytest.approx(start + window_s) for start, end in spans[:-1])


@pytest.mark.parametrize(("window_s", "step_s"), [(0, 1), (4, 0), (1, 2), (-1, -2), (float("nan"), 1)])
def test_windows_that_leave_gaps_or_hold_nothing_are_refused(window_s, step_s):
    with pytest.raises(MferError, match="no longer than the window"):
        window_spans(10, window_s, step_s)


def test_a_window_holds_what_its_clock_says_of_both_modalities():
    visual_s, audio_s = np.arange(0, 10, 0.2), np.arange(-0.1, 10, 0.02)
    embedded = RecordingEmbeddings(
        visual_s[:, None].astype(np.float32), visual_s, audio_s[:, None].astype(np.float32), audio_s, 10.0
    )
    for part, times in zip(embedded.between(3.0, 7.0), (visual_s, audio_s), strict=True):
        assert part[:, 0].numpy() == pytest.approx(times[(times >= 3.0) & (times < 7.0)])
    assert [len(part) for part in embedded.between(0.0, 10.0)] == [len(visual_s), len(audio_s)]


def test_windows_of_one_label_are_joined_and_a_gap_stays():
    rows = [
        (0, "fused", "sad"),
        (1, "fused", "sad"),
        (2, "fused", "calm"),
        (8, "fused", "calm"),
        (3, "audio", "sad"),
    ]
    timeline = pd.DataFrame(
        [
            {"start_s": s, "end_s": min(s + 4.0, 11.5), "arm": arm, "label": label}
            for s, arm, label in sorted(rows)
        ]
    )
    assert label_segments(timeline, "fused", 1.0) == [
        (0.0, 3.5, "sad"),
        (3.5, 4.5, "calm"),
        (9.5, 11.5, "calm"),
    ]
    assert label_segments(timeline[timeline.start_s == 0], "fused", 1.0) == [(0.0, 4.0, "sad")]
