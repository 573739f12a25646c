"""What the method keeps of a waveform, and the clock of what is kept."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.base.errors import MferError
from mfer_core.cache.schemas import FRAMES, WAVEFORMS
from mfer_core.cache.shards import Shard, ShardFolder
from mfer_core.media.clip import encode
from mfer_core.media.read import decode_image, kept_spans, read_frames, read_waveforms

RATE = 16_000


def store_waveform(out, seconds, speech, offset_s=0.0):
    samples = (np.arange(round(seconds * RATE)) % 30_000).astype(np.int16)
    segments = [{"start_s": start, "end_s": end} for start, end in speech]
    row = {
        "clip_id": "c/a",
        "key": "k",
        "sample_rate": RATE,
        "offset_s": offset_s,
        "samples": samples,
        "speech": segments,
    }
    shard = Shard("0000-of-0001", {"c/a": "k"})
    ShardFolder(out / "waveforms" / "c", WAVEFORMS).write(shard, pa.Table.from_pylist([row], WAVEFORMS))
    return samples / 32768


def test_of_a_long_clip_only_speech_is_kept_with_its_clock(tmp_path):
    samples = store_waveform(tmp_path, 4.0, [(0.5, 1.0), (2.0, 3.25)], offset_s=0.1)
    (speech,) = read_waveforms(tmp_path, "c", 3.0)
    assert np.array_equal(
        speech.waveform, np.concatenate([samples[8_000:16_000], samples[32_000:52_000]]).astype(np.float32)
    )
    assert np.array(speech.segments) == pytest.approx(np.array([(0.6, 1.1), (2.1, 3.35)]))
    assert speech.times(np.array([0, 7_999, 8_000, 28_000 - 1])) == pytest.approx(
        [0.6, 1.1 - 1 / RATE, 2.1, 3.35 - 1 / RATE]
    )


@pytest.mark.parametrize(
    ("seconds", "speech"), [(3.0, [(0.5, 1.0)]), (5.0, [])], ids=["short", "without speech"]
)
def test_short_clips_and_clips_without_speech_are_kept_whole(tmp_path, seconds, speech):
    samples = store_waveform(tmp_path, seconds, speech)
    (read,) = read_waveforms(tmp_path, "c", 3.0)
    assert np.array_equal(read.waveform, samples.astype(np.float32))
    assert read.segments == [(0.0, seconds)]


def test_the_choice_can_be_changed_without_decoding_again(tmp_path):
    samples = store_waveform(tmp_path, 4.0, [(0.5, 1.0)])
    lengths = [
        len(speech.waveform) for limit in (3.0, 9.0) for speech in read_waveforms(tmp_path, "c", limit)
    ]
    assert lengths == [8_000, len(samples)]


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


@pytest.mark.parametrize("image_format", ["jpeg", "png"])
@pytest.mark.parametrize("shape", [(24, 24), (24, 24, 3)])
def test_frames_come_back_as_they_were_stored(tmp_path, image_format, shape):
    image = np.broadcast_to(
        np.array([220, 40, 90], np.uint8)[: shape[2] if len(shape) == 3 else 1].squeeze(), shape
    )
    rows = [
        {
            "clip_id": clip,
            "key": "k",
            "index": index,
            "time_s": index / 5,
            "image": encode(np.ascontiguousarray(image), image_format),
        }
        for clip, count in (("c/a", 2), ("c/b", 3))
        for index in range(count)
    ]
    shard = Shard("0000-of-0001", {"c/a": "k", "c/b": "k"})
    ShardFolder(tmp_path / "frames" / "c", FRAMES).write(shard, pa.Table.from_pylist(rows, FRAMES))
    first, second = read_frames(tmp_path, "c")
    assert (first.clip_id, first.times.tolist(), first.images.shape) == ("c/a", [0.0, 0.2], (2, *shape))
    assert (second.clip_id, second.times.tolist()) == ("c/b", [0.0, 0.2, 0.4])
    assert np.abs(second.images[2].astype(int) - image).max() <= (0 if image_format == "png" else 6)


def test_a_stage_that_has_not_run_is_named(tmp_path):
    with pytest.raises(MferError, match="run the stage"):
        list(read_frames(tmp_path, "c"))


def test_an_image_is_what_was_encoded():
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    assert np.array_equal(decode_image(encode(image, "png")), image)
