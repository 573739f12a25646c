"""Faces through time: interpolated where they pair up, looked at where they come or go."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.media.tracks import Tracker, match, overlap


def box(x, y=50.0, side=40.0, confidence=0.99):
    return [x, y, x + side, y + side, confidence]


def follow(faces_at, times, every_s=1.0):
    """Run a tracker over ``times``; ``faces_at(time)`` lists boxes. Returns the frames and when the detector
    ran.
    """
    looked = []

    def detect(time_s):
        looked.append(time_s)
        return np.asarray(faces_at(time_s), np.float32).reshape(-1, 5)

    tracker = Tracker(detect, every_s)
    seen = [frame for time_s in times for frame in tracker.push(time_s, time_s)]
    return [*seen, *tracker.finish()], looked


TIMES = [tick / 5 for tick in range(14)]


def test_a_moving_face_is_one_track_and_the_detector_rarely_runs():
    frames, looked = follow(lambda time_s: [box(10 * time_s)], TIMES)
    assert looked == [0.0, 1.0, 2.0, 2.6]
    assert {face.track for frame in frames for face in frame.boxes} == {0}
    for frame in frames:
        assert frame.boxes[0].box == pytest.approx(box(10 * frame.time_s)[:4], abs=1e-4)
        assert (frame.boxes[0].confidence is None) == (frame.time_s not in looked) == (frame.faces is None)


def test_where_a_face_comes_or_goes_every_frame_is_looked_at():
    frames, looked = follow(lambda time_s: [box(30)] if 0.5 < time_s < 1.5 else [], TIMES)
    assert sorted(looked) == TIMES[:-4] + TIMES[-4:] or set(TIMES[:11]) <= set(looked)
    assert [len(frame.boxes) for frame in frames] == [int(0.5 < time_s < 1.5) for time_s in TIMES]


def test_nothing_is_looked_at_twice():
    _, looked = follow(lambda time_s: [box(30)] if 0.5 < time_s < 1.5 else [], TIMES)
    assert len(looked) == len(set(looked))


def test_a_face_lost_for_a_moment_keeps_its_track_and_one_lost_for_long_does_not():
    for gap, tracks in ((1.0, {0}), (4.0, {0, 1})):
        frames, _ = follow(
            lambda time_s, gap=gap: [] if 1 <= time_s < 1 + gap else [box(30)],
            [tick / 5 for tick in range(40)],
        )
        assert {face.track for frame in frames for face in frame.boxes} == tracks


def test_two_faces_do_not_swap_tracks():
    frames, _ = follow(
        lambda time_s: [box(10), box(200)] if round(time_s) % 2 else [box(200), box(10)], TIMES
    )
    for frame in frames:
        assert {face.track: round(float(face.box[0])) for face in frame.boxes} == {
            0: 200,
            1: 10,
        }


@given(st.integers(0, 60), st.integers(1, 25), st.floats(0.1, 5), st.randoms(use_true_random=False))
def test_every_frame_comes_out_once_and_in_order(count, rate, every_s, random):
    times = [tick / rate for tick in range(count)]
    present = {time_s: random.random() < 0.8 for time_s in times}
    frames, looked = follow(lambda time_s: [box(30)] if present[time_s] else [], times, every_s)
    assert [frame.time_s for frame in frames] == times
    assert all(frame.boxes is not None for frame in frames)
    assert all(len(frame.boxes) == present[frame.time_s] for frame in frames if frame.time_s in looked)


def test_overlap_is_intersection_over_union():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], float)
    assert overlap(boxes[:1], boxes) == pytest.approx(np.array([[1, 1 / 3, 0]]))


def test_the_largest_overlap_pairs_first():
    assert match(
        [np.array([0, 0, 10, 10.0]), np.array([4, 0, 14, 10.0])], np.array([[4, 0, 14, 10.0], [0, 0, 10, 10]])
    ) == [(0, 1), (1, 0)]
