"""The sound of a clip: mono, 16 kHz, 16 bit, with its place on the clip's clock and its speech segments."""

import threading
from dataclasses import dataclass

import av
import numpy as np
import torch
import torchaudio.functional
from silero_vad import get_speech_timestamps_sequence, load_silero_vad

from mfer_core.errors import ClipError
from mfer_core.media.sampling import frame_time

SAMPLE_RATE = 16_000  # Hz
GAP_S = 0.05  # a larger hole between two audio frames is filled with silence
VAD_PEAK = 0.9  # quiet recordings (RAVDESS: -36 to -48 dBFS) are raised to it before speech is looked for
_local = threading.local()


@dataclass(frozen=True)
class Waveform:
    """``samples`` int16 [N] at 16 kHz; ``start_s`` on the container's clock."""

    samples: np.ndarray
    start_s: float

    @property
    def peak(self) -> float:
        return float(np.abs(self.samples.astype(np.int32)).max(initial=0)) / 32768

    @property
    def end_s(self) -> float:
        return self.start_s + len(self.samples) / SAMPLE_RATE


class SoundCollector:
    """Gathers decoded audio frames into one waveform."""

    def __init__(self, max_duration_s: float):
        self._max_duration_s = max_duration_s
        self._parts: list[np.ndarray] = []
        self._length = 0
        self._rate = 0
        self._start_s: float | None = None

    def push(self, frame: av.AudioFrame) -> None:
        """Raises ClipError ("no timestamps", "sample rate changes", "too long")."""
        now = frame_time(frame)
        if self._start_s is None:
            self._start_s, self._rate = now, frame.sample_rate
        if frame.sample_rate != self._rate:
            raise ClipError("sample rate changes", f"{self._rate} Hz, then {frame.sample_rate} Hz")
        if now - self._start_s > self._max_duration_s:
            raise ClipError("too long", f"sound at {now - self._start_s:.0f} s, max_duration_s is {self._max_duration_s:.0f}")
        hole = round((now - self._start_s) * self._rate) - self._length
        if hole > GAP_S * self._rate:
            self._append(np.zeros(hole, np.float32))
        self._append(mono(frame))

    def _append(self, part: np.ndarray) -> None:
        self._parts.append(part)
        self._length += len(part)

    def finish(self) -> Waveform | None:
        """The whole track resampled, None when there was no sound at all."""
        if not self._length:
            return None
        track = torch.from_numpy(np.concatenate(self._parts))
        track = torchaudio.functional.resample(track, self._rate, SAMPLE_RATE).numpy()
        return Waveform(np.clip(np.round(track * 32768), -32768, 32767).astype(np.int16), self._start_s)


def mono(frame: av.AudioFrame) -> np.ndarray:
    """The mean of a frame's channels as float32 [N] in -1..1."""
    data = frame.to_ndarray()
    if not frame.format.is_planar:
        data = data.reshape(-1, frame.layout.nb_channels).T
    if data.dtype == np.uint8:
        return ((data.astype(np.float32) - 128) / 128).mean(axis=0)
    scale = np.iinfo(data.dtype).max + 1 if np.issubdtype(data.dtype, np.integer) else 1
    return (data.mean(axis=0, dtype=np.float64) / scale).astype(np.float32)


def speech_segments(waveform: Waveform, threshold: float) -> list[tuple[float, float]]:
    """Where Silero VAD hears speech: (start, end) in seconds since the first sample."""
    if not hasattr(_local, "vad"):
        _local.vad = load_silero_vad(sequence=True)  # the same probabilities as the stock model, without state between clips
    audio = waveform.samples.astype(np.float32)
    audio *= VAD_PEAK / max(1.0, float(np.abs(audio).max(initial=0)))
    spans = get_speech_timestamps_sequence(audio, _local.vad, threshold=threshold, sampling_rate=SAMPLE_RATE)
    return [(span["start"] / SAMPLE_RATE, span["end"] / SAMPLE_RATE) for span in spans]
