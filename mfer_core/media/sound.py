"""The sound of a clip: mono, 16 kHz, 16 bit, with its place on the clip's clock and its speech segments."""

from dataclasses import dataclass

import av
import numpy as np
from av.audio.resampler import AudioResampler

from mfer_core.base.errors import ClipError
from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.media.decode import frame_time
from mfer_core.media.speech_detector import speech_spans

LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000  # Hz; a header with another rate is damaged.
BLOCK_S = 1.0  # So much sound is resampled at a time.
GAP_S = 0.015  # A larger hole between two audio frames is filled with silence, a larger overlap cut.
VAD_PEAK = 0.9  # The VAD hears quiet recordings (RAVDESS: -36 to -48 dBFS) raised to this peak.
CANCELLED = 0.1  # Two channels cancel each other whose mean has less of the louder one's power.
CLIPPED_SHARE = 0.01  # A smaller share of samples at full scale may come from a lossy decoder.


@dataclass(frozen=True)
class Waveform:
    """``samples`` int16 [N] at 16 kHz; ``start_s`` on the recording's clock; what is odd about them."""

    samples: np.ndarray
    start_s: float
    notes: tuple[str, ...] = ()

    @property
    def peak(self) -> float:
        return float(np.abs(self.samples.astype(np.int32)).max(initial=0)) / 32768

    @property
    def length_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE


class SoundCollector:
    """Gathers decoded audio frames into one waveform on the recording's clock: holes are silent, overlaps are
    cut.
    """

    def __init__(self, max_duration_s: float, block_s: float = BLOCK_S):
        self._max_duration_s, self._block_s = max_duration_s, block_s
        self._start_s = self._end_s = 0.0  # where the sound so far starts and ends, on the recording's clock
        self._parts: list[np.ndarray] = []  # int16 [channels, N] at 16 kHz
        self._stretch: _Stretch | None = None
        self._samples = self._clipped = self._broken = self._drained = 0

    def push(self, frame: av.AudioFrame) -> None:
        """Take the next frame; one without a time of its own follows the one before it.

        Raises ClipError ("too long", "sample rate").
        """
        if not LOWEST_RATE <= frame.sample_rate <= HIGHEST_RATE:
            limits = f"sound is read from {LOWEST_RATE} to {HIGHEST_RATE} Hz"
            raise ClipError("sample rate", f"{frame.sample_rate} Hz; {limits}")
        now, data = frame_time(frame), channels(frame)
        if self._stretch is None:
            self._start_s = self._end_s = now or 0.0
        hole_s = 0.0 if now is None else now - self._end_s
        if self._end_s + hole_s - self._start_s > self._max_duration_s:
            raise ClipError(
                "too long",
                f"sound at {self._end_s + hole_s - self._start_s:.0f} s, "
                f"max_duration_s is {self._max_duration_s:.0f}",
            )
        if hole_s < -GAP_S:
            data = data[:, round(-hole_s * frame.sample_rate) :]
        stretch, shape = self._stretch, (frame.sample_rate, len(data))
        if stretch is None or hole_s > GAP_S or (stretch.rate, stretch.count) != shape:
            self._close()
            self._end_s += hole_s if hole_s > GAP_S else 0.0
            self._fill(self._end_s)
            stretch = self._stretch = _Stretch(*shape, self._block_s)
        stretch.push(self._checked(data))
        self._end_s += data.shape[1] / frame.sample_rate

    def finish(self) -> Waveform | None:
        """The whole sound, None when there was none at all."""
        self._close()
        parts = [part for part in self._parts if part.shape[1]]
        if not parts:
            return None
        samples, notes = mixed(parts)
        if self._broken:
            notes.append(f"{self._broken} samples of the sound are no numbers and taken for silence")
        if self._clipped > CLIPPED_SHARE * self._samples:
            notes.append(f"the sound is clipped: {self._clipped / self._samples:.0%} of it beyond full scale")
        return Waveform(samples, self._start_s, tuple(notes))

    def drain(self, at_the_end: bool = False) -> tuple[float, list[np.ndarray]]:
        """What has been resampled since the last call, for sound that is heard while it comes: its start on
        the recording's clock, and int16 [1, N] or [2, N] (mid and side) end to end. It is forgotten here.
        """
        if at_the_end:
            self._close()
        start_s = self._start_s + self._drained / SAMPLE_RATE
        parts = [*self._parts, *(self._stretch.drain() if self._stretch else ())]
        self._parts = []
        self._drained += sum(part.shape[1] for part in parts)
        return start_s, [part for part in parts if part.shape[1]]

    def _close(self) -> None:
        if self._stretch is not None:
            self._parts.append(self._stretch.finish())
            self._stretch = None

    def _fill(self, until_s: float) -> None:
        """Silence from the last sample to ``until_s``."""
        length = self._drained + sum(part.shape[1] for part in self._parts)
        missing = round((until_s - self._start_s) * SAMPLE_RATE) - length
        if missing > 0:
            self._parts.append(np.zeros((1, missing), np.int16))

    def _checked(self, data: np.ndarray) -> np.ndarray:
        """Count what lies beyond full scale; what is no number becomes silence."""
        finite = np.isfinite(data)
        if not finite.all():
            self._broken += int((~finite).any(axis=0).sum())
            data = np.where(finite, data, np.float32(0))
        self._samples += data.shape[1]
        self._clipped += int((np.abs(data) > 1).any(axis=0).sum())
        return _mid_and_side(data)


class _Stretch:
    """Sound without a hole at one rate: resampled to 16 kHz by libswresample, block by block, without delay
    or gap.
    """

    def __init__(self, rate: int, count: int, block_s: float):
        self.rate, self.count = rate, count  # Hz, and channels as decoded
        self._block_s = block_s  # resampled at a time
        self._layout = "stereo" if count == 2 else "mono"
        self._resampler = AudioResampler(format="s16p", layout=self._layout, rate=SAMPLE_RATE)
        self._waiting: list[np.ndarray] = []
        self._done: list[np.ndarray] = []
        self._length = self._drained = 0  # samples taken, and given away by ``drain``

    def push(self, data: np.ndarray) -> None:
        """Take float32 [1 or 2, N] at ``rate``."""
        self._waiting.append(data)
        if sum(part.shape[1] for part in self._waiting) >= self._block_s * self.rate:
            self._resample()

    def finish(self) -> np.ndarray:
        """All of it as int16 [1 or 2, N] at 16 kHz, N as exact as it can be."""
        self._resample()
        self._done += [frame.to_ndarray() for frame in self._resampler.resample(None)]
        whole = np.concatenate(self._done, axis=1) if self._done else np.zeros((1, 0), np.int16)
        return whole[:, : -(-self._length * SAMPLE_RATE // self.rate) - self._drained]

    def drain(self) -> list[np.ndarray]:
        """What is resampled so far."""
        done, self._done = self._done, []
        self._drained += sum(part.shape[1] for part in done)
        return done

    def _resample(self) -> None:
        block = np.concatenate(self._waiting, axis=1) if self._waiting else np.zeros((1, 0), np.float32)
        self._waiting = []
        if not block.shape[1]:
            return
        self._length += block.shape[1]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", self._layout)
        frame.sample_rate = self.rate
        self._done += [done.to_ndarray() for done in self._resampler.resample(frame)]


def channels(frame: av.AudioFrame) -> np.ndarray:
    """A frame's samples as float32 [channels, N]; full scale is -1..1, which float formats may leave."""
    data: np.ndarray = frame.to_ndarray()
    if not frame.format.is_planar:
        data = data.reshape(-1, frame.layout.nb_channels).T
    if data.dtype == np.uint8:
        return (data.astype(np.float32) - 128) / 128
    if np.issubdtype(data.dtype, np.integer):
        return (data / (np.iinfo(data.dtype).max + 1.0)).astype(np.float32)
    return data.astype(np.float32)


def _mid_and_side(data: np.ndarray) -> np.ndarray:
    """The mean of the channels; of two, also half their difference, from which each channel can be had
    again.
    """
    mid = data.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
    return np.concatenate([mid, (data[:1] - data[1:]) / 2]) if len(data) == 2 else mid


def mixed(parts: list[np.ndarray]) -> tuple[np.ndarray, list[str]]:
    """Mono int16 [N] of mids and sides, with a note: the mean, or where two channels cancel, the louder of
    them.
    """
    mid = np.concatenate([part[0] for part in parts])
    side = np.concatenate([part[1] if len(part) == 2 else np.zeros_like(part[0]) for part in parts])
    if not side.any():
        return mid, []
    both = [mid.astype(np.int32) + sign * side.astype(np.int32) for sign in (1, -1)]
    power = [float(np.square(channel, dtype=np.float64).sum()) for channel in both]
    if float(np.square(mid, dtype=np.float64).sum()) >= CANCELLED * max(power):
        return mid, []
    louder = both[int(power[1] > power[0])]
    note = "the two channels cancel each other: the louder one is taken"
    return np.clip(louder, -32768, 32767).astype(np.int16), [note]


def speech_segments(waveform: Waveform, threshold: float) -> list[tuple[float, float]]:
    """Where Silero VAD hears speech: (start, end) in seconds since the first sample."""
    audio = waveform.samples.astype(np.float32)
    audio *= VAD_PEAK / max(1.0, float(np.abs(audio).max(initial=0)))
    spans = speech_spans(audio, threshold)
    return [(start / SAMPLE_RATE, end / SAMPLE_RATE) for start, end in spans]
