"""One clip from file to rows: the code whose digest is part of every extraction key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import av
import cv2
import numpy as np

from mfer_core.base.errors import ClipError
from mfer_core.base.settings import Extract
from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.media.decode import DecodedFrames, Recording
from mfer_core.media.detector import local_detector
from mfer_core.media.faces import Crop, FaceCropper
from mfer_core.media.picture import Display
from mfer_core.media.result import ExtractedClip
from mfer_core.media.sampling import Sample, Sampler
from mfer_core.media.sound import SoundCollector, Waveform, speech_segments

JPEG_QUALITY = 95
LAST_S = 1.0  # The last picture and packet of sound may go beyond max_duration_s by so much.
STILL_S = 1.0  # A longer recording with one picture is said to be a still.


def extract_clip(path: Path, settings: Extract, threads: int = 1) -> ExtractedClip:
    """Decode, sample, find faces, crop, resample and look for speech, in one pass over the file.

    The clip's clock starts where a player's does: with the first displayed frame or the first sample,
    whichever is earlier. Digital silence is no sound. Raises ClipError with the reason when the clip cannot
    be used.
    """
    with Recording(path, settings.clip_time_limit_s, settings.max_duration_s, threads) as recording:
        collector = SoundCollector(settings.max_duration_s)
        reader = Reader(recording, settings, collector)
        cropper = FaceCropper(Display(recording.aspect, settings.grayscale), local_detector(), settings)
        frames = [frame_row(crop, settings) for crop in cropper.crops(reader.samples())]
        sound = collector.finish()
        if not frames and not (sound and sound.peak):
            raise ClipError(
                "no usable stream", "no picture, and no sound" + (" but digital silence" if sound else "")
            )
        picture_s, sound_s, duration_s = _one_clock(reader.sampler, sound)
        check_length(duration_s, settings)
    for frame in frames:
        frame["time_s"] += picture_s
    row = waveform_row(sound, sound_s, settings.vad_threshold) if sound and sound.peak else None
    notes = odd_notes(recording, reader.sampler, sound, duration_s)
    return ExtractedClip(frames, row, _facts(frames, row, duration_s, sound, notes))


def _one_clock(sampler: Sampler, sound: Waveform | None) -> tuple[float, float, float]:
    """Where pictures and sound start on the clip's clock, and its length, seconds."""
    starts = (sampler.start_s, None if sound is None else sound.start_s)
    earliest = min(start for start in starts if start is not None)
    picture_s, sound_s = ((start or 0.0) - earliest for start in starts)
    ends = [picture_s + sampler.end_s] if sampler.frames else []
    return picture_s, sound_s, max([*ends, sound_s + sound.length_s] if sound else ends)


def check_length(duration_s: float, settings: Extract) -> None:
    """Raise ClipError ("too long") for a clip whose pictures and sound, taken together, last longer than
    allowed.
    """
    if duration_s > settings.max_duration_s + LAST_S:
        limit = f"max_duration_s is {settings.max_duration_s:.0f}"
        raise ClipError(
            "too long", f"{duration_s:.0f} s from the first picture or sound to the last, {limit}"
        )


class SoundSink(Protocol):
    """Takes a recording's sound frame by frame."""

    def push(self, frame: av.AudioFrame) -> None: ...


class Reader:
    """Splits a recording into samples of its video (as they come) and its sound (which ``sound`` takes on the
    way).
    """

    def __init__(self, recording: DecodedFrames, settings: Extract, sound: SoundSink):
        self._recording = recording
        self.sampler = Sampler(settings.frames_per_second, settings.max_duration_s)
        self.sound = sound

    def samples(self) -> Iterator[Sample]:
        for frame in self._recording.frames():
            if isinstance(frame, av.VideoFrame):
                yield from self.sampler.push(frame)
            else:
                self.sound.push(frame)
        yield from self.sampler.finish(self._recording.picture_end_s)


def frame_row(crop: Crop, settings: Extract) -> dict:
    """A FRAME of schemas.py; its time counts from the first displayed frame."""
    sides = ("x0", "y0", "x1", "y1")
    return {
        "time_s": crop.time_s,
        "image": encode(crop.image, settings.image_format),
        "face_source": crop.source,
        "confidence": crop.confidence,
        "box": None if crop.box is None else dict(zip(sides, crop.box.tolist(), strict=True)),
        "faces": crop.faces,
    }


def encode(image: np.ndarray, image_format: str) -> bytes:
    """JPEG or PNG bytes of uint8 [H, W] or RGB [H, W, 3]."""
    suffix, options = (
        (".png", []) if image_format == "png" else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    )
    _, data = cv2.imencode(suffix, image if image.ndim == 2 else image[:, :, ::-1], options)
    return data.tobytes()


def waveform_row(sound: Waveform, offset_s: float, threshold: float) -> dict:
    """A WAVEFORM of schemas.py, with where speech is heard in it."""
    speech = [{"start_s": start, "end_s": end} for start, end in speech_segments(sound, threshold)]
    return {"sample_rate": SAMPLE_RATE, "offset_s": offset_s, "samples": sound.samples, "speech": speech}


def odd_notes(
    recording: DecodedFrames, sampler: Sampler, sound: Waveform | None, duration_s: float
) -> str | None:
    """What is odd about a clip that is accepted all the same."""
    odd = {
        str(recording.damage): recording.damage.damaged,
        "a video stream without frames": recording.video is not None and not sampler.frames,
        "a sound stream without samples": recording.audio is not None and sound is None,
        f"one picture stands for {duration_s:.1f} s": sampler.frames == 1 and duration_s > STILL_S,
    }
    notes = [
        *(note for note, holds in odd.items() if holds),
        *recording.notes,
        *(sound.notes if sound else ()),
    ]
    return "; ".join(notes) or None


def _facts(
    frames: list[dict], row: dict | None, duration_s: float, sound: Waveform | None, notes: str | None
) -> dict:
    return {
        "reason": None,
        "detail": None,
        "notes": notes,
        "frame_count": len(frames),
        "frames_with_face": sum(frame["box"] is not None for frame in frames),
        "duration_s": duration_s,
        "speech_s": None
        if row is None
        else sum(segment["end_s"] - segment["start_s"] for segment in row["speech"]),
        "peak": sound.peak if sound else None,
    }
