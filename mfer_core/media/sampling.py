"""Which frames of a video are taken: by presentation time, so any frame rate, constant or not, is right."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import av

from mfer_core.base.errors import ClipError
from mfer_core.media.clock import seconds
from mfer_core.media.decode import frame_time

TOLERANCE_S = 1e-3  # containers count in ticks as coarse as a millisecond
CLAIM_TOLERANCE_S = 2e-3  # between a frame's claimed and its real time on screen, in two such ticks


@dataclass(frozen=True)
class Sample:
    """The frame on screen at ``time_s``, on screen since ``shown_s``; both count from the first displayed
    frame, seconds.
    """

    time_s: float
    shown_s: float
    frame: av.VideoFrame


class Sampler:
    """Takes the frame that is on screen at k / rate seconds, k = 0, 1, ..., until the last frame goes.

    A frame that stays on screen for longer than 1 / rate is taken once per tick, so the time axis is regular.
    A frame that does not come later than the one before it is never displayed and is not taken.
    """

    def __init__(self, rate: float, max_duration_s: float):
        self._rate, self._max_duration_s = rate, max_duration_s
        self._ticks = 0
        self._shown: tuple[float, av.VideoFrame] | None = None
        self._frame_s = 0.0  # how long the frame before the last was displayed
        self._claims_hold = True  # whether that frame was displayed as long as it claimed
        self.start_s: float | None = None  # the first displayed frame on the recording's clock
        self.end_s = 0.0  # when the last frame goes, since the first one appeared; known at the end
        self.frames = 0  # displayed

    def push(self, frame: av.VideoFrame) -> Iterator[Sample]:
        """Yield the samples that ``frame``'s arrival decides. Raises ClipError ("no timestamps", "too
        long").
        """
        now = self._time(frame)
        if self._shown is not None and now <= self._shown[0]:
            return
        if now > self._max_duration_s:
            raise ClipError(
                "too long", f"a frame at {now:.0f} s, max_duration_s is {self._max_duration_s:.0f}"
            )
        if self._shown is not None:
            self._frame_s = now - self._shown[0]
            self._claims_hold = abs(_claimed_s(self._shown[1]) - self._frame_s) <= CLAIM_TOLERANCE_S
            yield from self._take(self._shown, before=now - TOLERANCE_S)
        self._shown = (now, frame)
        self.frames += 1

    def finish(self, end_bounds_s: tuple[float, float] = (0.0, math.inf)) -> Iterator[Sample]:
        """Yield what the last frame still owes; it is taken at least where it appears.

        It stays as long as it claims, where the frame before it claimed what was true, else as long as that
        one, within the bounds that the header sets (on the recording's clock); a bound that only repeats a
        false claim is none. Raises ClipError ("too long").
        """
        if self._shown is None or self.start_s is None:
            return
        shown_s, frame = self._shown
        earliest_s, latest_s = (bound - self.start_s for bound in end_bounds_s)
        claimed_s = shown_s + (_claimed_s(frame) or self._frame_s)
        end_s = claimed_s if self._claims_hold else shown_s + self._frame_s
        if self._claims_hold or abs(earliest_s - claimed_s) > CLAIM_TOLERANCE_S:
            end_s = max(end_s, earliest_s)
        self.end_s = max(shown_s, min(end_s, latest_s))
        if self.end_s > self._max_duration_s + TOLERANCE_S:
            limit = f"max_duration_s is {self._max_duration_s:.0f}"
            raise ClipError("too long", f"the last picture stands until {self.end_s:.0f} s, {limit}")
        yield from self._take(self._shown, before=max(shown_s + TOLERANCE_S, self.end_s - TOLERANCE_S))

    def _time(self, frame: av.VideoFrame) -> float:
        """Seconds since the first frame; a frame without a time of its own follows the one before it."""
        now = frame_time(frame)
        if now is not None:
            self.start_s = now if self.start_s is None else self.start_s
            return now - self.start_s
        if self._shown is None:
            raise ClipError("no timestamps", "the first picture has neither presentation nor decoding time")
        return self._shown[0] + (self._frame_s or _claimed_s(self._shown[1]))

    def _take(self, shown: tuple[float, av.VideoFrame], before: float) -> Iterator[Sample]:
        shown_s, frame = shown
        while self._ticks / self._rate < before:
            yield Sample(self._ticks / self._rate, shown_s, frame)
            self._ticks += 1


def _claimed_s(frame: av.VideoFrame) -> float:
    """How long a frame says that it is displayed, seconds; 0 where it does not."""
    return seconds(frame.duration or 0, frame.time_base) if frame.time_base else 0.0
