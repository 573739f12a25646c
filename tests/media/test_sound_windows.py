"""Windows of a long recording's sound: cut out exactly, whatever parts it lies in, and heard like clips."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.media.sound import Waveform
from mfer_core.media.sound_windows import cut_sounds, hear

RATE = 16_000
SOUND = np.random.default_rng(0).integers(-9000, 9000, 10 * RATE).astype(np.int16)
OFFSET_S = 0.3


def parts(*cuts):
    edges = [0, *(round(cut * RATE) for cut in cuts), len(SOUND)]
    for first, last in pairwise(edges):
        yield {"samples": SOUND[first:last], "offset_s": OFFSET_S + first / RATE}


@given(st.lists(st.floats(0.2, 9.8), max_size=3).map(sorted), st.floats(0.1, 7), st.floats(0.1, 3))
def test_a_window_is_that_stretch_of_the_sound_however_it_is_cut_into_parts(cuts, window_s, step_s):
    starts = np.arange(0, 11, step_s)
    for start_s, sound in zip(
        starts, cut_sounds(parts(*cuts), [(s, s + window_s) for s in starts]), strict=True
    ):
        first, last = (max(0, round((edge - OFFSET_S) * RATE)) for edge in (start_s, start_s + window_s))
        assert np.array_equal(sound.samples, SOUND[first:last])
        assert not len(sound.samples) or abs(sound.start_s - max(start_s, OFFSET_S)) < 1 / RATE


def test_sound_is_read_when_a_window_needs_it_and_holes_are_silent():
    read = []

    def sounds():
        for number, part in enumerate(parts(3.0, 5.0)):
            read.append(number)
            if number != 1:
                yield part

    windows = cut_sounds(sounds(), [(-np.inf, 2.0), (2.0, 6.0), (8.0, np.inf)])
    assert np.array_equal(next(windows).samples, SOUND[: round(1.7 * RATE)]) and read == [0]
    holed = SOUND[round(1.7 * RATE) : round(5.7 * RATE)].copy()
    holed[round(1.3 * RATE) : round(3.3 * RATE)] = 0
    assert np.array_equal(next(windows).samples, holed)
    assert np.array_equal(next(windows).samples, SOUND[round(7.7 * RATE) :])


def test_silence_is_not_heard_and_sound_without_speech_only_where_there_is_no_other(settings):
    noise = Waveform(SOUND[: 4 * RATE], 2.0)
    assert hear(noise, settings, without_speech=False) is None
    assert hear(noise, settings, without_speech=True).segments == [(2.0, 6.0)]
    assert hear(Waveform(np.zeros(RATE, np.int16), 0.0), settings, without_speech=True) is None
