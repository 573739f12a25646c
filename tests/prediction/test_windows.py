"""Windows of time over a recording's embeddings."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.base.errors import MferError
from mfer_core.prediction.windows import SHORTEST_STEP_S, RecordingEmbeddings, label_segments, window_spans

SECONDS = st.floats(0.1, 60)


@given(SECONDS, SECONDS, st.floats(0.05, 1))
def test_windows_cover_a_recording_from_its_start_to_its_end(duration_s, window_s, share):
    step_s = max(share * window_s, SHORTEST_STEP_S)
    spans = window_spans(duration_s, window_s, step_s)
    assert (spans[0][0], spans[-1][1]) == (0, pytest.approx(duration_s))
    assert all(0 < end - start <= window_s + 1e-9 for start, end in spans)
    assert all(later[0] - earlier[0] == pytest.approx(step_s) for earlier, later in pairwise(spans))
    assert all(end == pytest.approx(start + window_s) for start, end in spans[:-1])


@pytest.mark.parametrize(
    ("window_s", "step_s"),
    [(0, 1), (4, 0), (1, 2), (-1, -2), (float("nan"), 1), (float("inf"), 1), (4, 1e-9), (1e-9, 1e-9)],
)
def test_windows_that_leave_gaps_hold_nothing_or_are_without_number_are_refused(window_s, step_s):
    with pytest.raises(MferError, match="no longer than the window"):
        window_spans(10, window_s, step_s)


def test_a_window_holds_the_pictures_within_it_and_the_last_one_all_that_are_left():
    visual_s = np.arange(0, 10, 0.2)
    embedded = RecordingEmbeddings(
        visual_s[:, None].astype(np.float32), visual_s, np.zeros((3, 1), np.float32), np.zeros(3), 9.5
    )
    frames = embedded.seen((3.0, 7.0))[:, 0].numpy()
    assert frames == pytest.approx(visual_s[(visual_s >= 3.0) & (visual_s < 7.0)])
    assert embedded.seen((7.0, 9.5))[-1, 0] == pytest.approx(visual_s[-1])
    assert [len(part) for part in embedded.whole()] == [len(visual_s), 3]


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
