"""One clip from file to rows: the code whose digest is part of every extraction key."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from mfer_core.errors import ClipError
from mfer_core.media.decode import Recording
from mfer_core.media.detector import local_detector
from mfer_core.media.faces import Crop, FaceCropper
from mfer_core.media.picture import Display
from mfer_core.media.sampling import Sample, Sampler
from mfer_core.media.sound import SAMPLE_RATE, SoundCollector, Waveform, speech_segments
from mfer_core.settings import Extract

JPEG_QUALITY = 95


@dataclass(frozen=True)
class ExtractedClip:
    """What a clip gave: rows for FRAMES and WAVEFORMS (without clip_id and key) and the facts for EXTRACTED."""

    frames: list[dict]
    waveform: dict | None  # None without a track and for digital silence
    facts: dict


def extract_clip(path: Path, settings: Extract, threads: int = 1) -> ExtractedClip:
    """Decode, sample, find faces, crop, resample and look for speech, in one pass over the file.

    Raises ClipError with the reason when the clip cannot be used.
    """
    with Recording(path, settings.clip_time_limit_s, settings.max_duration_s, threads) as recording:
        reader = _Reader(recording, settings)
        cropper = FaceCropper(Display(recording.aspect, settings.grayscale), local_detector(), settings)
        frames = [_frame_row(index, crop, settings) for index, crop in enumerate(cropper.crops(reader.samples()))]
        sound = reader.sound.finish()
        start = reader.sampler.start_s
        row = _waveform_row(sound, start, settings.vad_threshold) if sound is not None and sound.peak else None
        if not frames and row is None:
            raise ClipError("no usable stream", "no picture, and no sound" + (" but digital silence" if sound is not None else ""))
        return ExtractedClip(frames, row, _facts(frames, row, sound, reader))


class _Reader:
    """Splits a recording into samples of its video (as they come) and its sound (gathered on the way)."""

    def __init__(self, recording: Recording, settings: Extract):
        self.recording = recording
        self.sampler = Sampler(settings.frames_per_second, settings.max_duration_s)
        self.sound = SoundCollector(settings.max_duration_s)

    def samples(self) -> Iterator[Sample]:
        for frame in self.recording.frames():
            if isinstance(frame, av.VideoFrame):
                yield from self.sampler.push(frame)
            else:
                self.sound.push(frame)
        yield from self.sampler.finish()


def _frame_row(index: int, crop: Crop, settings: Extract) -> dict:
    box = dict(zip(("x0", "y0", "x1", "y1"), (None,) * 4 if crop.box is None else crop.box.tolist(), strict=True))
    return {
        "index": index,
        "time_s": crop.time_s,
        "shown_s": crop.shown_s,
        "image": encode(crop.image, settings.image_format),
        "face_source": crop.source,
        "confidence": crop.confidence,
        "faces": crop.faces,
        **box,
    }


def encode(image: np.ndarray, image_format: str) -> bytes:
    """JPEG or PNG bytes of uint8 [H, W] or RGB [H, W, 3]."""
    suffix, options = (".png", []) if image_format == "png" else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    _, data = cv2.imencode(suffix, image if image.ndim == 2 else image[:, :, ::-1], options)
    return data.tobytes()


def _waveform_row(sound: Waveform, start_s: float | None, threshold: float) -> dict:
    """The clip's clock starts with the first displayed frame, without video with the first sample."""
    return {
        "sample_rate": SAMPLE_RATE,
        "offset_s": 0.0 if start_s is None else sound.start_s - start_s,
        "samples": sound.samples,
        "speech": [{"start_s": start, "end_s": end} for start, end in speech_segments(sound, threshold)],
    }


def _facts(frames: list[dict], row: dict | None, sound: Waveform | None, reader: _Reader) -> dict:
    sound_end = sound.end_s - (sound.start_s if reader.sampler.start_s is None else reader.sampler.start_s) if sound else 0.0
    corrupt = reader.recording.damage.corrupt
    return {
        "reason": None,
        "detail": f"{corrupt} packets skipped" if corrupt else None,
        "frames": len(frames),
        "frames_with_face": sum(frame["x0"] is not None for frame in frames),
        "duration_s": max(reader.sampler.end_s, sound_end),
        "speech_s": None if row is None else sum(s["end_s"] - s["start_s"] for s in row["speech"]),
        "peak": sound.peak if sound else None,
    }
