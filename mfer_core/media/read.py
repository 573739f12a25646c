"""Extracted frames and waveforms read back, one shard in memory at a time."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pyarrow as pa

from mfer_core.cache.shards import read_shards


class FrameSequence(NamedTuple):
    """The face crops of one clip."""

    clip_id: str
    key: str
    times: np.ndarray  # float64 [T], seconds on the clip's clock
    images: np.ndarray  # uint8 [T, H, W] or, in colour, RGB [T, H, W, 3]


class Speech(NamedTuple):
    """The waveform of one clip after the method's VAD rule."""

    clip_id: str
    key: str
    waveform: np.ndarray  # float32 [N] in -1..1 at 16 kHz
    segments: list[
        tuple[float, float]
    ]  # what of the clip the waveform holds, end to end: seconds on the clip's clock
    sample_rate: int = 16_000  # Hz

    def times(self, samples: np.ndarray) -> np.ndarray:
        """The clip's clock, seconds, at positions (samples, fractions allowed) of ``waveform``."""
        lengths = [round((end - start) * self.sample_rate) for start, end in self.segments]
        firsts = np.cumsum([0, *lengths[:-1]])
        which = np.searchsorted(firsts, samples, side="right") - 1
        return (
            np.array([start for start, _ in self.segments])[which]
            + (samples - firsts[which]) / self.sample_rate
        )


def read_frames(out: Path, corpus: str) -> Iterator[FrameSequence]:
    """Yield every clip with frames, in shard and clip order; ``out`` is data/extract.

    Raises MferError when the stage has not run.
    """
    for table in read_shards(Path(out) / "frames" / corpus, ["clip_id", "key", "time_s", "image"]):
        yield from frame_sequences(table)


def frame_sequences(table: pa.Table) -> Iterator[FrameSequence]:
    """Yield the clips of FRAMES rows that stand in clip order."""
    for clip in _by_clip(table):
        images = np.stack([decode_image(data) for data in clip["image"].to_pylist()])
        yield FrameSequence(
            clip["clip_id"][0].as_py(), clip["key"][0].as_py(), clip["time_s"].to_numpy(), images
        )


def read_waveforms(out: Path, corpus: str, vad_min_clip_s: float) -> Iterator[Speech]:
    """Yield every clip with sound, in shard and clip order; ``out`` is data/extract.

    The method's rule: of a clip whose sound is longer than ``vad_min_clip_s`` only the speech is kept; when the
    detector hears none in it (EXTRACTED.speech_s is 0), all of it is. Raises MferError when the stage has not run.
    """
    for table in read_shards(Path(out) / "waveforms" / corpus):
        yield from speeches(table, vad_min_clip_s)


def speeches(table: pa.Table, vad_min_clip_s: float) -> Iterator[Speech]:
    """Yield the clips of WAVEFORMS rows after the rule of ``read_waveforms``."""
    for row in range(len(table)):
        yield _speech(table.slice(row, 1), vad_min_clip_s)


def decode_image(data: bytes) -> np.ndarray:
    """uint8 [H, W], or RGB [H, W, 3] for a colour image."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return image if image.ndim == 2 else image[:, :, ::-1]


def _by_clip(table: pa.Table) -> Iterator[pa.Table]:
    """Cut a table whose rows are in clip order where the clip changes."""
    ids = np.asarray(table["clip_id"].to_pylist(), object)
    edges = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), len(ids)] if len(ids) else []
    for start, end in pairwise(edges):
        yield table.slice(start, end - start)


def _speech(row: pa.Table, vad_min_clip_s: float) -> Speech:
    clip_id, key, offset, speech, rate = (
        row[name][0].as_py() for name in ("clip_id", "key", "offset_s", "speech", "sample_rate")
    )
    samples = row["samples"].combine_chunks().flatten().to_numpy().astype(np.float32) / 32768
    segments = [(round(segment["start_s"] * rate), round(segment["end_s"] * rate)) for segment in speech]
    spans = kept_spans(len(samples), segments, vad_min_clip_s * rate)
    times = [(offset + start / rate, offset + end / rate) for start, end in spans]
    waveform = np.concatenate([samples[start:end] for start, end in spans])
    return Speech(clip_id, key, waveform, times, rate)


def kept_spans(length: int, speech: list[tuple[int, int]], longest_whole: float) -> list[tuple[int, int]]:
    """The method's rule: what to keep of ``length`` samples, as spans. A clip of at most ``longest_whole`` is kept whole."""
    return [(0, length)] if length <= longest_whole or not speech else speech
