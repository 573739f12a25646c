"""The sound of a clip: mono, 16 kHz, 16 bit, with its place on the clip's clock and its speech segments."""

import math
import threading
from dataclasses import dataclass

import av
import numpy as np
import torch
from silero_vad import get_speech_timestamps_sequence, load_silero_vad
from torchaudio.transforms import Resample

from mfer_core.base.errors import ClipError
from mfer_core.media.decode import frame_time

SAMPLE_RATE = 16_000  # Hz
BLOCK_S = 30  # resampled at a time, so that a long recording is never held at its own rate
CONTEXT_S = 0.1  # beyond a block's ends; the filter reaches less far
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
    def length_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE


class SoundCollector:
    """Gathers decoded audio frames into one waveform."""

    def __init__(self, max_duration_s: float):
        self._max_duration_s = max_duration_s
        self._length = 0
        self._resampler: BlockResampler | None = None
        self._start_s = 0.0

    def push(self, frame: av.AudioFrame) -> None:
        """Raises ClipError ("no timestamps", "sample rate changes", "too long")."""
        now, rate = frame_time(frame), frame.sample_rate
        if self._resampler is None:
            self._start_s, self._resampler = now, BlockResampler(rate)
        if rate != self._resampler.rate:
            raise ClipError("sample rate changes", f"{self._resampler.rate} Hz, then {rate} Hz")
        if now - self._start_s > self._max_duration_s:
            raise ClipError(
                "too long",
                f"sound at {now - self._start_s:.0f} s, max_duration_s is {self._max_duration_s:.0f}",
            )
        hole = round((now - self._start_s) * rate) - self._length
        if hole > GAP_S * rate:
            self._append(np.zeros(hole, np.float32))
        self._append(mono(frame))

    def _append(self, part: np.ndarray) -> None:
        self._resampler.push(part)
        self._length += len(part)

    def finish(self) -> Waveform | None:
        """The whole track, None when there was no sound at all."""
        return Waveform(self._resampler.finish(), self._start_s) if self._length else None


class BlockResampler:
    """torchaudio's windowed-sinc resampling to 16 kHz, block by block; the same as in one piece."""

    def __init__(self, rate: int):
        self.rate = rate
        period = rate // math.gcd(rate, SAMPLE_RATE)  # input samples after which the filter's phases repeat
        self._block, self._context = (
            period * math.ceil(seconds * rate / period) for seconds in (BLOCK_S, CONTEXT_S)
        )
        self._resample = Resample(rate, SAMPLE_RATE)
        self._waiting: list[np.ndarray] = [np.zeros(self._context, np.float32)]
        self._done: list[np.ndarray] = []

    def push(self, samples: np.ndarray) -> None:
        """Take float32 samples at ``rate``."""
        self._waiting.append(samples)
        while sum(map(len, self._waiting)) >= self._block + 2 * self._context:
            track = np.concatenate(self._waiting)
            self._emit(track[: self._block + 2 * self._context], self._block)
            self._waiting = [track[self._block :]]

    def finish(self) -> np.ndarray:
        """Everything pushed so far as int16 at 16 kHz."""
        rest = np.concatenate([*self._waiting, np.zeros(self._context, np.float32)])
        self._emit(rest, len(rest) - 2 * self._context)
        return np.concatenate(self._done)

    def _emit(self, track: np.ndarray, length: int) -> None:
        """Resample ``track``: ``length`` samples between two contexts."""
        skip = self._context * SAMPLE_RATE // self.rate
        wave = self._resample(torch.from_numpy(track)).numpy()[
            skip : skip + math.ceil(length * SAMPLE_RATE / self.rate)
        ]
        self._done.append(np.clip(np.round(wave * 32768), -32768, 32767).astype(np.int16))


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
        _local.vad = load_silero_vad(
            sequence=True
        )  # the same probabilities as the stock model, without state between clips
    audio = waveform.samples.astype(np.float32)
    audio *= VAD_PEAK / max(1.0, float(np.abs(audio).max(initial=0)))
    spans = get_speech_timestamps_sequence(audio, _local.vad, threshold=threshold, sampling_rate=SAMPLE_RATE)
    return [(span["start"] / SAMPLE_RATE, span["end"] / SAMPLE_RATE) for span in spans]
