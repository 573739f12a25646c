"""Extracted frames and waveforms as the encoders take them: images decoded, pauses cut after the method's
rule.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from mfer_core.base.errors import MferError
from mfer_core.cache.schemas import SAMPLE_RATE


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
    segments: list[tuple[float, float]]  # the waveform's parts, end to end: seconds on the clip's clock
    sample_rate: int = SAMPLE_RATE  # Hz

    def times(self, samples: np.ndarray) -> np.ndarray:
        """The clip's clock, seconds, at positions (samples, fractions allowed) of ``waveform``."""
        lengths = [round((end - start) * self.sample_rate) for start, end in self.segments]
        firsts = np.cumsum([0, *lengths[:-1]])
        which = np.searchsorted(firsts, samples, side="right") - 1
        return (
            np.array([start for start, _ in self.segments])[which]
            + (samples - firsts[which]) / self.sample_rate
        )


def decode_frames(images: Sequence[bytes]) -> np.ndarray:
    """uint8 [T, H, W] or [T, H, W, 3] of T encoded images."""
    return np.stack([decode_image(image) for image in images])


def decode_image(data: bytes) -> np.ndarray:
    """uint8 [H, W], or RGB [H, W, 3] for a colour image. Raises MferError for bytes that are no image."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise MferError(
            "an extracted picture is damaged: remove its corpus's folder below data/extract and run extract"
        )
    return image if image.ndim == 2 else image[:, :, ::-1]


def keep_speech(clip_id: str, key: str, waveform: Mapping[str, Any], vad_min_clip_s: float) -> Speech:
    """What the method hears of a WAVEFORM (its ``samples`` an int16 array).

    Of sound that is longer than ``vad_min_clip_s`` only the speech is kept; when the detector hears none in
    it, all of it is.
    """
    rate, offset = waveform["sample_rate"], waveform["offset_s"]
    samples = waveform["samples"].astype(np.float32) / 32768
    speech = [(round(span["start_s"] * rate), round(span["end_s"] * rate)) for span in waveform["speech"]]
    spans = kept_spans(len(samples), speech, vad_min_clip_s * rate)
    times = [(offset + start / rate, offset + end / rate) for start, end in spans]
    return Speech(clip_id, key, np.concatenate([samples[start:end] for start, end in spans]), times, rate)


def kept_spans(length: int, speech: list[tuple[int, int]], longest_whole: float) -> list[tuple[int, int]]:
    """The method's rule: what to keep of ``length`` samples, as spans. A clip of at most ``longest_whole`` is
    kept whole.
    """
    return [(0, length)] if length <= longest_whole or not speech else speech
