"""What the method keeps of a waveform, and the clock of what is kept; images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.base.errors import MferError
from mfer_core.media.clip import encode
from mfer_core.media.read import decode_image, keep_speech, kept_spans

RATE = 16_000


def waveform_of(seconds, speech, offset_s=0.0):
    """A WAVEFORM, and its samples in -1..1."""
    samples = (np.arange(round(seconds * RATE)) % 30_000).astype(np.int16)
    spans = [{"start_s": start, "end_s": end} for start, end in speech]
    row = {"sample_rate": RATE, "offset_s": offset_s, "samples": samples, "speech": spans}
    return row, (samples / 32768).astype(np.float32)


def test_of_a_long_clip_only_speech_is_kept_with_its_clock():
    row, samples = waveform_of(4.0, [(0.5, 1.0), (2.0, 3.25)], offset_s=0.1)
    speech = keep_speech("c/a", "k", row, 3.0)
    assert np.array_equal(speech.waveform, np.concatenate([samples[8_000:16_000], samples[32_000:52_000]]))
    assert np.array(speech.segments) == pytest.approx(np.array([(0.6, 1.1), (2.1, 3.35)]))
    assert speech.times(np.array([0, 7_999, 8_000, 28_000 - 1])) == pytest.approx(
        [0.6, 1.1 - 1 / RATE, 2.1, 3.35 - 1 / RATE]
    )
    assert len(keep_speech("c/a", "k", row, 9.0).waveform) == len(samples)


@pytest.mark.parametrize(
    ("seconds", "speech"), [(3.0, [(0.5, 1.0)]), (5.0, [])], ids=["short", "without speech"]
)
def test_short_clips_and_clips_without_speech_are_kept_whole(seconds, speech):
    row, samples = waveform_of(seconds, speech)
    kept = keep_speech("c/a", "k", row, 3.0)
    assert np.array_equal(kept.waveform, samples) and kept.segments == [(0.0, seconds)]


@given(
    st.integers(1, 200),
    st.lists(st.integers(0, 200), max_size=8, unique=True).map(sorted),
    st.integers(0, 200),
)
def test_kept_spans_never_lose_a_clip(length, edges, longest_whole):
    speech = [span for span in zip(edges[::2], edges[1::2], strict=False) if span[1] <= length]
    spans = kept_spans(length, speech, longest_whole)
    assert spans == (speech if speech and length > longest_whole else [(0, length)])
    assert sum(end - start for start, end in spans) > 0


def test_an_image_is_what_was_encoded():
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    assert np.array_equal(decode_image(encode(image, "png")), image)


def test_a_damaged_picture_is_a_fault_that_says_what_to_do():
    whole = encode(np.zeros((8, 8), np.uint8), "png")
    assert decode_image(whole).shape == (8, 8)
    with pytest.raises(MferError, match=r"damaged: remove .* and run extract"):
        decode_image(whole[:20])
