"""The frame on screen at every tick, whatever the presentation times."""

from fractions import Fraction
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mfer_core.base.errors import ClipError
from mfer_core.media.sampling import TOLERANCE_S, Sampler


def frame(milliseconds: int | None, decoding: int | None = None, duration: int = 0):
    return SimpleNamespace(pts=milliseconds, dts=decoding, duration=duration, time_base=Fraction(1, 1000))


def samples(times_ms, rate=5.0, longest_s=1e6):
    sampler = Sampler(rate, longest_s)
    taken = [sample for when in times_ms for sample in sampler.push(frame(when))]
    return [*taken, *sampler.finish()], sampler


@given(
    st.lists(st.integers(0, 20_000), min_size=1, unique=True).map(sorted),
    st.sampled_from([1.0, 5.0, 7.3, 25.0]),
)
@example([1, 2402], 5.0)
def test_each_tick_has_the_last_frame_that_came_before_it(times_ms, rate):
    taken, _ = samples(times_ms, rate)
    relative = [(when - times_ms[0]) / 1000 for when in times_ms]
    assert [sample.time_s for sample in taken] == [tick / rate for tick in range(len(taken))]
    last_s = relative[-1] + (relative[-1] - relative[-2] if len(relative) > 1 else 0)
    assert last_s - 1 / rate - TOLERANCE_S - 1e-9 <= taken[-1].time_s < max(last_s, TOLERANCE_S)
    for sample in taken:  # a frame later by the very tolerance may go either way: floats decide
        latest = [
            max(when for when in relative if when <= sample.time_s + TOLERANCE_S + tie)
            for tie in (-1e-9, 1e-9)
        ]
        assert any(sample.shown_s == pytest.approx(when) for when in latest)


@given(st.lists(st.integers(-50, 3000), min_size=1, max_size=40))
def test_frames_that_come_too_late_are_never_shown(times_ms):
    displayed = [when for index, when in enumerate(times_ms) if when > max(times_ms[:index], default=-51)]
    assert [s.shown_s for s in samples(times_ms)[0]] == [s.shown_s for s in samples(displayed)[0]]


def test_without_presentation_times_the_decoding_times_count():
    sampler = Sampler(5.0, 10.0)
    taken = [sample.shown_s for when in range(0, 500, 100) for sample in sampler.push(frame(None, when))]
    assert taken == [0.0, 0.2]  # the tick at 0.4 s waits for a later frame


def test_a_picture_without_any_time_follows_the_one_before():
    taken = [sample.shown_s for sample in samples([0, 200, None, 600])[0]]
    assert taken == [0.0, 0.2, 0.4, 0.6]


def test_a_first_picture_without_any_time_is_refused():
    with pytest.raises(ClipError, match="no timestamps"):
        list(Sampler(5.0, 10.0).push(frame(None)))


def test_a_frame_beyond_the_longest_duration_is_refused():
    with pytest.raises(ClipError, match="too long"):
        samples([0, 40, 11_000], longest_s=10.0)


def shown(frames, longest_s=1e6):
    sampler = Sampler(5.0, longest_s)
    taken = [sample for one in frames for sample in sampler.push(one)]
    return [sample.time_s for sample in [*taken, *sampler.finish()]], sampler.end_s


def test_the_last_picture_stands_as_long_as_a_truthful_file_says():
    times, end_s = shown([frame(0, duration=40), frame(40, duration=3000)])
    assert end_s == pytest.approx(3.04)
    assert times == [tick / 5 for tick in range(16)]
    with pytest.raises(ClipError, match="too long"):
        shown([frame(0, duration=40), frame(40, duration=3000)], longest_s=2.0)


@pytest.mark.parametrize("claimed", [0, 1000])
def test_where_the_file_was_wrong_before_the_last_picture_stands_as_long_as_the_one_before(claimed):
    assert shown([frame(when, duration=claimed) for when in (100, 140, 180)])[1] == pytest.approx(0.12)


@pytest.mark.parametrize(
    ("bounds", "end_s"), [((1.1, 1.1), 1.0), ((0, 0.15), 0.05), ((0, 0.1), 0.04), ((0, 9), 0.08)]
)
def test_the_last_picture_stands_within_the_bounds_of_the_header(bounds, end_s):
    sampler = Sampler(5.0, 10.0)
    taken = [sample for when in (100, 140) for sample in sampler.push(frame(when, duration=40))]
    taken += sampler.finish(bounds)
    assert sampler.end_s == pytest.approx(end_s)
    assert len(taken) == (5 if end_s == 1.0 else 1)
