"""Which frames of a video are taken: by presentation time, so any frame rate, constant or not, is right."""

from collections.abc import Iterator
from dataclasses import dataclass

import av

from mfer_core.base.errors import ClipError
from mfer_core.media.decode import frame_time

TOLERANCE_S = 1e-3  # containers count in ticks as coarse as a millisecond


@dataclass(frozen=True)
class Sample:
    """The frame on screen at ``time_s``, on screen since ``shown_s``; both count from the first displayed frame, seconds."""

    time_s: float
    shown_s: float
    frame: av.VideoFrame


class Sampler:
    """Takes the frame that is on screen at k / rate seconds, k = 0, 1, ..., until the last frame appears.

    A frame that stays on screen for longer than 1 / rate is taken once per tick, so the time axis is regular.
    A frame that does not come later than the one before it is never displayed and is not taken.
    """

    def __init__(self, rate: float, max_duration_s: float):
        self._rate, self._max_duration_s = rate, max_duration_s
        self._ticks = 0
        self._shown: tuple[float, av.VideoFrame] | None = None
        self.start_s: float | None = None  # the first displayed frame on the container's clock
        self.frame_s = 0.0  # how long the frame before last was displayed

    def push(self, frame: av.VideoFrame) -> Iterator[Sample]:
        """Yield the samples that ``frame``'s arrival decides. Raises ClipError ("no timestamps", "too long")."""
        now = frame_time(frame)
        if self.start_s is None:
            self.start_s = now
        now -= self.start_s
        if now > self._max_duration_s:
            raise ClipError(
                "too long", f"a frame at {now:.0f} s, max_duration_s is {self._max_duration_s:.0f}"
            )
        if self._shown is not None:
            if now <= self._shown[0]:
                return
            self.frame_s = now - self._shown[0]
            yield from self._take(before=now - TOLERANCE_S)
        self._shown = (now, frame)

    def finish(self) -> Iterator[Sample]:
        """Yield what the last frame still owes."""
        if self._shown is not None:
            yield from self._take(before=self._shown[0] + TOLERANCE_S)

    @property
    def end_s(self) -> float:
        """When the last frame goes, taking it to stay as long as the one before it."""
        return self._shown[0] + self.frame_s if self._shown else 0.0

    def _take(self, before: float) -> Iterator[Sample]:
        shown_s, frame = self._shown
        while self._ticks / self._rate < before:
            yield Sample(self._ticks / self._rate, shown_s, frame)
            self._ticks += 1
