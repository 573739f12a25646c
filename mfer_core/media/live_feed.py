"""A feed as it comes: frames are read in threads of their own and wait, not for long, to be looked at.

A file is replayed at its own pace. Pictures that wait while others are looked at are let go, so that what is
seen is never far behind; sound is never let go.
"""

import math
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Protocol

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from mfer_core.base.errors import MferError
from mfer_core.base.settings import Extract
from mfer_core.media.decode import Damage, Recording, frame_time
from mfer_core.media.live_devices import Frame, OpenInput

# With so many frames waiting no picture joins them, and no sound.
PICTURES, SOUNDS = 50, 1000
POLL_S = 0.2
AHEAD_S = 1.0  # A file may hold so much sound before the pictures that belong to it.


class Input(Protocol):
    """What frames come from."""

    video: VideoStream | None
    audio: AudioStream | None
    notes: list[str]

    @property
    def damage(self) -> Damage: ...

    @property
    def picture_end_s(self) -> tuple[float, float]: ...

    def frames(self) -> Iterator[Frame]: ...


@dataclass
class LiveFeed:
    """Frames of one or two inputs on one clock. Stands in for a ``Recording``.

    ``paced``: frames come no sooner than a clock that starts with the first of them says, and pictures may be
    let go; else everything is kept, and comes as fast as it is taken.
    """

    inputs: Sequence[Input]
    paced: bool = True
    ahead_s: float = 0.0  # read ahead of the clock, to bring frames into the order of their times

    def __post_init__(self) -> None:
        self.video = next((one.video for one in self.inputs if one.video is not None), None)
        self.audio = next((one.audio for one in self.inputs if one.audio is not None), None)
        self._breaks: list[str] = []  # what ended an input before its time
        self.dropped = 0  # pictures that were not even waited for
        self.zero_s = math.inf  # time.monotonic() where the recording's clock is 0
        self._stop = threading.Event()
        self._waiting: Queue[Frame | Exception | None] = Queue(SOUNDS if self.paced else PICTURES)

    @property
    def notes(self) -> list[str]:
        return [*(note for one in self.inputs for note in one.notes), *self._breaks]

    @property
    def damage(self) -> Damage:
        counts = [one.damage for one in self.inputs]
        return Damage(sum(one.packets for one in counts), sum(one.damaged for one in counts))

    @property
    def picture_end_s(self) -> tuple[float, float]:
        """What a file's header says, where all of the file has come."""
        ended = not (self._stop.is_set() or self._breaks)
        return self.inputs[0].picture_end_s if ended and len(self.inputs) == 1 else (0.0, math.inf)

    @property
    def aspect(self) -> float:
        return float((self.video and self.video.sample_aspect_ratio) or 1)

    def stop(self) -> None:
        """End the feed: what waits is still looked at."""
        self._stop.set()

    def lag_s(self, time_s: float) -> float:
        """How long ago ``time_s`` of the recording's clock was."""
        return time.monotonic() - self.zero_s - time_s

    def frames(self) -> Iterator[Frame]:
        """Frames as they come, until every input has ended or ``stop`` was called. What breaks an input off
        is a note, and raised where nothing had come before.
        """
        for one in self.inputs:
            threading.Thread(target=self._read, args=(one,), daemon=True).start()
        reading = len(self.inputs)
        while reading:
            try:
                item = self._waiting.get(timeout=POLL_S)
            except Empty:
                if self._stop.is_set():
                    return  # A device that says nothing does not notice.
                continue
            if isinstance(item, MferError) and self.zero_s < math.inf:
                self._breaks.append(f"broke off: {item}")
                item = None
            if isinstance(item, Exception):
                raise item
            if item is None:
                reading -= 1
            else:
                yield item

    def _read(self, one: Input) -> None:
        try:
            frames = one.frames()
            for frame in in_time_order(frames, self.ahead_s) if self.paced else frames:
                if self._stop.is_set():
                    break
                self._come(frame)
            self._put(None)
        except Exception as error:  # Raised where the frames are looked at.
            self._put(error)

    def _come(self, frame: Frame) -> None:
        now = frame_time(frame)
        if now is not None and self.zero_s == math.inf:
            self.zero_s = time.monotonic() - now
        if self.paced and now is not None:
            self._stop.wait(max(0.0, -self.lag_s(now)))
            # The frame that came soonest says where the clock's zero is.
            self.zero_s = min(self.zero_s, time.monotonic() - now)
            if isinstance(frame, av.VideoFrame) and self._waiting.qsize() >= PICTURES:
                self.dropped += 1
                return
        self._put(frame)

    def _put(self, item: Frame | Exception | None) -> None:
        """Wait for a place. Nobody takes anything after ``stop``."""
        while True:
            try:
                return self._waiting.put(item, timeout=POLL_S)
            except Full:
                if self._stop.is_set():
                    return None


def in_time_order(frames: Iterator[Frame], ahead_s: float) -> Iterator[Frame]:
    """Frames by their times, where none is more than ``ahead_s`` out of order; so much is read ahead."""
    waiting: list[tuple[float, int, Frame]] = []
    latest_s = -math.inf
    for number, frame in enumerate(frames):
        now = frame_time(frame)
        time_s = latest_s if now is None else now
        latest_s = max(latest_s, time_s)
        heappush(waiting, (time_s, number, frame))
        while waiting and waiting[0][0] <= latest_s - ahead_s:
            yield heappop(waiting)[2]
    while waiting:
        yield heappop(waiting)[2]


def replay(path: Path, settings: Extract, paced: bool = True) -> LiveFeed:
    """A file as a feed. Raises ClipError as ``Recording`` does."""
    recording = Recording(path, math.inf, settings.max_duration_s)
    return LiveFeed([recording], paced, AHEAD_S)


def capture(opened: Sequence[OpenInput]) -> LiveFeed:
    """A camera and a microphone, or an address."""
    stored = any(one.container.duration for one in opened)  # A file on a server; what is live knows no end.
    return LiveFeed(opened, ahead_s=AHEAD_S if stored else 0.0)
