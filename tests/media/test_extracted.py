"""Extracted clips come back one at a time, and no more of them than is asked for."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from mfer_core.base.errors import MferError
from mfer_core.cache.shards import partition
from mfer_core.media.clip import encode
from mfer_core.media.extracted import GROUP, ExtractedShards, extracted_row, open_extracted
from mfer_core.media.result import ExtractedClip

FACTS = {"reason": None, "frames_with_face": 0, "duration_s": 1.0}


def clip_of(pictures: int, sound: bool = True, image_format: str = "png") -> ExtractedClip:
    """So many grey pictures, each darker than the one before; a second of a ramp."""
    image = np.full((24, 24), 220, np.uint8)
    frames = [
        {"time_s": n / 5, "image": encode(image - 40 * n, image_format), "face_source": "centre"}
        for n in range(pictures)
    ]
    span = {"start_s": 0.25, "end_s": 0.5}
    samples = np.arange(16_000, dtype=np.int16)
    waveform = (
        {"sample_rate": 16_000, "offset_s": 0.1, "samples": samples, "speech": [span]} if sound else None
    )
    speech_s = 0.25 if sound else None
    return ExtractedClip(frames, waveform, FACTS | {"frame_count": pictures, "speech_s": speech_s})


CLIPS = {
    "c/a": clip_of(2),
    "c/b": clip_of(3, sound=False),
    "c/c": clip_of(0),
    "c/d": clip_of(1, image_format="jpeg"),
}


@pytest.fixture
def folder(tmp_path):
    store = ExtractedShards(tmp_path)
    for shard in partition(dict.fromkeys(CLIPS, "k"), 2):
        store.fill(shard, lambda clip: extracted_row(clip, "k", CLIPS[clip]))
    return tmp_path


def test_pictures_and_sound_come_back_as_they_were_stored(folder):
    extracted = open_extracted(folder)
    frames = extracted.frames("c/b")
    assert (frames.clip_id, frames.key, frames.times.tolist()) == ("c/b", "k", [0.0, 0.2, 0.4])
    assert frames.images[:, 0, 0].tolist() == [220, 180, 140] and frames.images.shape == (3, 24, 24)
    assert abs(int(extracted.frames("c/d").images[0, 0, 0]) - 220) <= 6
    speech = extracted.speech("c/a", 0.5)
    assert np.array_equal(speech.waveform, np.arange(4_000, 8_000, dtype=np.float32) / 32768)
    assert speech.segments == [(0.35, 0.6)]
    assert [clip.clip_id for clip in extracted.all_speech(3.0)] == ["c/a", "c/c", "c/d"]


def test_clips_are_listed_by_what_they_have(folder):
    extracted = open_extracted(folder)
    assert list(extracted.keys("visual")) == ["c/a", "c/b", "c/d"]
    assert list(extracted.keys("audio")) == ["c/a", "c/c", "c/d"]
    assert extracted.facts.frame_count.to_dict() == {"c/a": 2, "c/b": 3, "c/c": 0, "c/d": 1}
    for read in (
        lambda: extracted.frames("c/c"),
        lambda: extracted.speech("c/b", 3.0),
        lambda: extracted.clip("x"),
    ):
        with pytest.raises(KeyError):
            read()


def test_a_clip_is_read_without_the_rest_of_its_shard(tmp_path):
    clips = [f"c/{number:02d}" for number in range(2 * GROUP + 1)]
    (shard,) = partition(dict.fromkeys(clips, "k"), 100)
    ExtractedShards(tmp_path).fill(shard, lambda clip: extracted_row(clip, "k", clip_of(int(clip[-2:]) % 3)))
    file = pq.ParquetFile(tmp_path / f"{shard.name}.parquet")
    groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert groups == [GROUP, GROUP, 1]
    extracted = open_extracted(tmp_path)
    assert [len(extracted.clip(clip)["frames"]) for clip in clips] == [n % 3 for n in range(len(clips))]
    assert len(extracted.frames(clips[-1]).images) == (len(clips) - 1) % 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"no Parquet",
        lambda content: content[: len(content) // 2],
        lambda content: content[:4] + b"x" * 2000 + content[2004:],
    ],
)
def test_a_damaged_shard_is_a_line_that_names_it(folder, damage):
    path = sorted(folder.glob("*.parquet"))[0]
    path.write_bytes(damage(path.read_bytes()))

    def read_everything():
        extracted = open_extracted(folder)
        return [extracted.clip(clip_id) for clip_id in CLIPS]

    line = f"cannot read {path}: .*; remove it and run extract again"
    with pytest.raises(MferError, match=line):
        read_everything()
    (shard,) = [one for one in partition(dict.fromkeys(CLIPS, "k"), 2) if one.name == path.stem]
    store = ExtractedShards(folder)
    with pytest.raises(MferError, match=line):
        [store.read_row(path, number) for number, _ in enumerate(store.read_pairs(path))]
    path.unlink()
    assert ExtractedShards(folder).missing(shard) == list(shard.keys)


def test_a_stage_that_has_not_run_is_named(tmp_path):
    with pytest.raises(MferError, match="run the stage"):
        open_extracted(tmp_path / "c")
