"""Times continued where a file holds several recordings, and left alone everywhere else."""

from fractions import Fraction
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.media.clock import EXPECTS_RESTARTS, Clock

MILLI = Fraction(1, 1000)


def placed(packets, expects_restarts=True):
    """Presentation times, ms, of (stream, decoding time or None, delay of presentation, duration) in file
    order.
    """
    flags = EXPECTS_RESTARTS if expects_restarts else 0
    clock, times = Clock(SimpleNamespace(format=SimpleNamespace(flags=flags))), []
    for stream, dts, delay, duration in packets:
        pts = None if dts is None else dts + delay
        packet = SimpleNamespace(stream_index=stream, dts=dts, pts=pts, duration=duration, time_base=MILLI)
        clock.shift(packet)
        times.append(packet.pts)
    return times


def recording(start, count=50, sound_end=2000):
    """Pictures every 40 ms, shown 80 ms after decoding, and sound every 20 ms, interleaved."""
    packets = [(0, start + 40 * index, 80, 40) for index in range(count)]
    packets += [(1, start + 80 + when, 0, 20) for when in range(0, sound_end, 20)]
    return sorted(packets, key=lambda packet: packet[1])


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=40).map(sorted), st.booleans())
def test_a_clock_that_only_goes_forward_is_left_alone(times, expects_restarts):
    packets = [(index % 2, when, 0, 0) for index, when in enumerate(times)]
    assert placed(packets, expects_restarts) == times


@pytest.mark.parametrize("start", [0, 1000, 60_000])
def test_a_recording_after_another_goes_on_where_that_ended(start):
    """Its clock starts again, or a minute later."""
    first, second = recording(1000), recording(start)
    times = placed(first + second)
    assert times[: len(first)] == [dts + delay for _, dts, delay, _ in first]
    assert times[len(first) :] == [dts + delay - start + 3000 for _, dts, delay, _ in second]


def test_a_recording_waits_for_the_stream_that_lasts_longer():
    first, second = recording(0, sound_end=3000), recording(0)
    assert placed(first + second)[len(first) :] == [dts + delay + 3000 for _, dts, delay, _ in second]


def test_a_stream_that_pauses_while_another_goes_on_has_not_restarted():
    packets = sorted(
        [(0, when, 0, 40) for when in range(0, 30_000, 40)] + [(1, 0, 0, 20), (1, 25_000, 0, 20)]
    )
    packets.sort(key=lambda packet: packet[1])
    assert placed(packets) == [dts for _, dts, _, _ in packets]


def test_a_leap_is_a_pause_where_the_format_knows_no_restarts():
    assert placed([(0, 0, 0, 40), (0, 60_000, 0, 40)], expects_restarts=False) == [0, 60_000]


def test_packets_without_times_stay_without():
    assert placed([(0, 0, 0, 40), (0, None, 0, 40), (0, 40, 0, 40)]) == [0, None, 40]
