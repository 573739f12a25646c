"""One waveform per clip: mono, 16 kHz, on time, and where speech is in it."""

import tracemalloc
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from mfer_core.base.errors import ClipError
from mfer_core.media.sound import GAP_S, SoundCollector, Waveform, channels, mixed, speech_segments
from tests.media.recordings import tone


def audio_frame(data: np.ndarray, fmt: str, layout: str, first: int = 0, rate: int = 16_000) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(data, fmt, layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
    return frame


def gather(data: np.ndarray, rate: int, cuts: list[int] | None = None) -> Waveform:
    """The waveform of float32 [channels, N], pushed in frames that end at ``cuts``."""
    collector, layout, first = SoundCollector(700), "stereo" if len(data) == 2 else "mono", 0
    for part in np.split(np.asarray(data, np.float32), cuts or [], axis=1):
        if part.shape[1]:
            collector.push(audio_frame(np.ascontiguousarray(part), "fltp", layout, first, rate))
        first += part.shape[1]
    return collector.finish()


@given(
    st.sampled_from([4_000, 8_000, 11_025, 22_050, 44_099, 44_100, 48_000, 96_000, 384_000]),
    st.floats(0.1, 1.3),
    st.integers(0, 9),
)
@example(44_100, 2.8671875, 0)
@settings(max_examples=15, deadline=None)
def test_any_rate_is_resampled_in_place_and_without_gaps(rate, seconds, seed):
    random = np.random.default_rng(seed)
    length = round(rate * seconds)
    frequencies, phases = random.uniform(50, 0.42 * min(rate, 16_000), 8), random.uniform(0, 6, 8)

    def chord(times):
        return np.sin(2 * np.pi * np.outer(frequencies, times) + phases[:, None]).mean(axis=0)

    samples = chord(np.arange(length) / rate)[None]
    cuts = sorted(random.integers(0, length, 5).tolist())
    resampled = gather(samples, rate, cuts).samples
    assert len(resampled) == pytest.approx(length * 16_000 / rate, abs=1)
    assert np.array_equal(resampled, gather(samples, rate).samples)
    inner = slice(400, -400)  # the filter sees nothing beyond the ends
    truth = chord(np.arange(len(resampled)) / 16_000)
    assert np.abs(resampled[inner] / 32768 - truth[inner]).max(initial=0) < 1e-3


def test_resampling_agrees_with_scipy_on_noise():
    samples = np.random.default_rng(0).standard_normal(96_000) * 0.1
    low = resample_poly(resample_poly(samples, 1, 8), 8, 1)[
        :96_000
    ]  # nothing above 3 kHz, where filters differ
    resampled = gather(low[None], 48_000).samples / 32768
    assert np.abs(resampled - resample_poly(low, 1, 3))[400:-400].max() < 1e-3


def test_a_rate_prime_to_ours_takes_little_memory():
    tracemalloc.start()
    gather(np.zeros((1, 44_099 * 60)), 44_099, list(range(0, 44_099 * 60, 44_099)))
    assert tracemalloc.get_traced_memory()[1] < 60e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("fmt", "scale", "dtype"),
    [
        ("u8", 128, np.uint8),
        ("s16", 32768, np.int16),
        ("s32", 2**31, np.int32),
        ("flt", 1, np.float32),
        ("dbl", 1, np.float64),
    ],
)
@pytest.mark.parametrize("planar", [True, False])
def test_every_sample_format_is_read(fmt, scale, dtype, planar):
    left, right = np.linspace(-0.5, 0.5, 64), np.full(64, 0.25)
    data = np.stack([left, right]) if planar else np.stack([left, right], axis=1).reshape(1, -1)
    stored = (data * scale + (128 if fmt == "u8" else 0)).astype(dtype)
    frame = audio_frame(stored, fmt + "p" * planar, "stereo")
    assert channels(frame) == pytest.approx(np.stack([left, right]), abs=1.5 / min(scale, 2**20))


def test_channels_are_averaged():
    left, right = tone(0.5), 0.3 * tone(0.5, level=1.0)
    assert gather(np.stack([left, right]), 16_000).samples / 32768 == pytest.approx(
        (left + right) / 2, abs=1e-4
    )


@pytest.mark.parametrize("other", [-1.0, -0.9])
def test_where_two_channels_cancel_each_other_the_louder_is_taken(other):
    waveform = gather(np.stack([tone(0.5), other * tone(0.5)]), 16_000)
    assert waveform.samples / 32768 == pytest.approx(tone(0.5), abs=2e-4)
    assert "cancel" in waveform.notes[0]


def test_a_silent_channel_is_no_reason_to_choose():
    waveform = gather(np.stack([tone(0.5), 0 * tone(0.5)]), 16_000)
    assert waveform.samples / 32768 == pytest.approx(tone(0.5) / 2, abs=1e-4)
    assert not waveform.notes


def test_samples_beyond_full_scale_and_samples_that_are_no_numbers_are_said():
    loud = gather(tone(0.5)[None] * 32768, 16_000)
    assert np.abs(loud.samples.astype(int)).max() >= 32767
    assert loud.notes == ("the sound is clipped: 100% of it beyond full scale",)
    holed = tone(0.5)
    holed[[10, 20]] = np.nan, np.inf
    assert gather(holed[None], 16_000).notes == (
        "2 samples of the sound are no numbers and taken for silence",
    )
    assert np.abs(gather(holed[None], 16_000).samples[30:] / 32768 - holed[30:]).max() < 1e-4


def test_16_bit_at_16_khz_is_kept_to_the_bit():
    samples = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
    collector = SoundCollector(10)
    for first in range(0, 5000, 1000):
        collector.push(audio_frame(samples[None, first : first + 1000], "s16", "mono", first))
    assert np.array_equal(collector.finish().samples, samples)


def test_a_hole_in_the_sound_is_silence():
    collector = SoundCollector(10)
    collector.push(audio_frame(tone(0.5)[None], "fltp", "mono"))
    collector.push(audio_frame(tone(0.5)[None], "fltp", "mono", first=24_000))
    samples = collector.finish().samples
    assert len(samples) == 32_000
    assert not samples[8_000:24_000].any()


def test_overlaps_are_cut_so_that_nothing_drifts():
    """40 pieces of a second, each with 24 ms more than its second, as joining files without encoding makes
    them.
    """
    piece = np.zeros(16_384, np.float32)
    piece[1600:1800] = 0.9
    collector = SoundCollector(100)
    for second in range(40):
        for first in range(0, len(piece), 1024):
            collector.push(
                audio_frame(piece[None, first : first + 1024], "fltp", "mono", second * 16_000 + first)
            )
    clicks = np.flatnonzero(np.diff(collector.finish().samples.astype(int)) > 20_000) / 16_000
    assert clicks == pytest.approx(np.arange(40) + 0.1, abs=GAP_S + 1e-3)


def test_frames_without_a_time_follow_the_one_before():
    collector = SoundCollector(10)
    for first in range(0, 8_000, 1000):
        frame = audio_frame(tone(0.5)[None, first : first + 1000], "fltp", "mono", 4_000 + first)
        frame.pts = frame.pts if first in (0, 4_000) else None
        collector.push(frame)
    waveform = collector.finish()
    assert waveform.start_s == 0.25
    assert waveform.samples / 32768 == pytest.approx(tone(0.5), abs=1e-4)


def test_a_change_of_rate_and_channels_in_the_middle_is_followed():
    collector = SoundCollector(10)
    collector.push(audio_frame(tone(0.5, 48_000)[None], "fltp", "mono", rate=48_000))
    both = np.stack([tone(0.5, 22_050)] * 2)
    collector.push(audio_frame(both, "fltp", "stereo", first=11_025, rate=22_050))
    samples = collector.finish().samples
    assert len(samples) == 16_000
    assert (
        np.abs(samples / 32768 - np.tile(tone(0.5), 2))[[*range(400, 7_600), *range(8_400, 15_600)]].max()
        < 2e-3
    )


def test_no_sound_is_none_and_so_is_less_than_a_sample_of_it():
    assert SoundCollector(10).finish() is None
    collector = SoundCollector(10)
    collector.push(audio_frame(np.zeros((1, 1), np.float32), "fltp", "mono", rate=384_000))
    waveform = collector.finish()
    assert waveform is None or len(waveform.samples) == 1


@pytest.mark.parametrize("rate", [7, 2_000_000_000])
def test_the_rates_of_damaged_headers_are_refused(rate):
    with pytest.raises(ClipError, match="sample rate"):
        SoundCollector(10).push(audio_frame(tone(0.1)[None], "fltp", "mono", rate=rate))


def test_sound_beyond_the_longest_duration_is_refused():
    collector = SoundCollector(10)
    collector.push(audio_frame(tone(0.1)[None], "fltp", "mono"))
    with pytest.raises(ClipError, match="too long"):
        collector.push(audio_frame(tone(0.1)[None], "fltp", "mono", 16_000 * 20))


def test_a_tone_and_silence_are_no_speech():
    for samples in (tone(2.0), np.zeros(32_000, np.float32), np.zeros(0, np.float32)):
        assert speech_segments(Waveform((samples * 32767).astype(np.int16), 0.0), 0.5) == []


def test_speech_is_found_where_it_is_however_quiet(real):
    path = sorted((real / "ravdess" / "Actor_01").glob("03-*.wav"))[0]
    collector = SoundCollector(60)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            collector.push(frame)
    loud = collector.finish()
    segments = speech_segments(loud, 0.5)
    assert 1.0 < sum(end - start for start, end in segments) < 2.5
    assert speech_segments(loud, 0.5) == segments
    quiet = Waveform((loud.samples // 8).astype(np.int16), 0.0)
    assert np.abs(np.subtract(speech_segments(quiet, 0.5), segments)).max() < 0.1


def test_sound_that_is_taken_while_it_comes_is_the_sound():
    noise = np.random.default_rng(0).normal(0, 0.1, (90, 2, 1024)).astype(np.float32)
    frames = [
        audio_frame(part, "fltp", "stereo", 1024 * number, 48_000)
        for number, part in enumerate(noise)
        if not 40 <= number < 43  # A hole, which silence fills.
    ]
    whole, piecewise, parts = SoundCollector(60.0), SoundCollector(60.0, block_s=0.1), []
    for frame in frames:
        whole.push(frame)
        piecewise.push(frame)
        start_s, some = piecewise.drain()
        assert start_s == pytest.approx(sum(part.shape[1] for part in parts) / 16_000)
        parts += some
    parts += piecewise.drain(at_the_end=True)[1]
    assert np.array_equal(mixed(parts)[0], whole.finish().samples)
