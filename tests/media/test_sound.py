"""One waveform per clip: mono, 16 kHz, on time, and where speech is in it."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
import torchaudio.functional
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mfer_core.base.errors import ClipError
from mfer_core.media.sound import BlockResampler, SoundCollector, Waveform, mono, speech_segments
from tests.media.recordings import tone


def audio_frame(data: np.ndarray, fmt: str, layout: str, first: int = 0, rate: int = 16_000) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(data, fmt, layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, first, Fraction(1, rate)
    return frame


@given(st.sampled_from([8_000, 11_025, 22_050, 44_100, 48_000]), st.floats(0.002, 62), st.integers(0, 9))
@example(44_100, 16.8671875, 0)
@settings(max_examples=15, deadline=None)
def test_blocks_resample_like_the_whole(rate, seconds, seed):
    samples = (0.2 * np.random.default_rng(seed).standard_normal(round(rate * seconds))).astype(np.float32)
    resampler = BlockResampler(rate)
    for part in np.array_split(samples, 1 + len(samples) // 4096):
        resampler.push(part)
    whole = torchaudio.functional.resample(torch.from_numpy(samples), rate, 16_000).numpy()
    blocks = resampler.finish()
    assert len(blocks) == -(
        -len(samples) * 16_000 // rate
    )  # torchaudio rounds long lengths through float32: one sample may lack
    assert 0 <= len(blocks) - len(whole) <= 1
    assert np.abs(blocks[: len(whole)] - np.clip(np.round(whole * 32768), -32768, 32767)).max() <= 1


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
def test_channels_are_averaged_in_every_sample_format(fmt, scale, dtype, planar):
    left, right = np.linspace(-0.5, 0.5, 64), np.full(64, 0.25)
    data = np.stack([left, right]) if planar else np.stack([left, right], axis=1).reshape(1, -1)
    stored = (data * scale + (128 if fmt == "u8" else 0)).astype(dtype)
    frame = audio_frame(stored, fmt + "p" * planar, "stereo")
    assert mono(frame) == pytest.approx((left + right) / 2, abs=1.5 / min(scale, 2**20))


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


def test_no_sound_is_none():
    assert SoundCollector(10).finish() is None


@pytest.mark.parametrize(
    ("first", "rate", "reason"), [(16_000 * 20, 16_000, "too long"), (16_000, 8_000, "sample rate changes")]
)
def test_what_cannot_be_one_waveform_is_refused(first, rate, reason):
    collector = SoundCollector(10)
    collector.push(audio_frame(tone(0.1)[None], "fltp", "mono"))
    with pytest.raises(ClipError, match=reason):
        collector.push(audio_frame(tone(0.1)[None], "fltp", "mono", first, rate))


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
