"""A feed's faces and sound while they come, and the recording's parts that are written beside."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from mfer_core.base.settings import Extract
from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.media.clip import Reader
from mfer_core.media.detector import local_detector
from mfer_core.media.faces import FaceCropper
from mfer_core.media.live_feed import LiveFeed
from mfer_core.media.looks import look
from mfer_core.media.parts import PART_S, PartsWriter, RecordingParts
from mfer_core.media.picture import Display
from mfer_core.media.sampling import Sample
from mfer_core.media.sound import SoundCollector, mixed

SPARE_S = 5.0  # A feed is stopped so long before it would be too long for ``predict``.
LATE_S = 0.5  # A picture that is older when its turn comes is let go.
BLOCK_S = 0.1  # Sound is resampled so much at a time.


@dataclass
class SoundTail:
    """The end of the sound so far, from ``from_s`` on."""

    max_duration_s: float
    parts: list[np.ndarray] = field(default_factory=list)  # int16 [1, N] or [2, N]
    start_s: float | None = None  # of the parts, on the recording's clock; None before the first

    def __post_init__(self) -> None:
        self._collector = SoundCollector(self.max_duration_s, BLOCK_S)

    def push(self, frame: av.AudioFrame) -> None:
        """Take the next frame. Raises ClipError as SoundCollector does."""
        self._collector.push(frame)
        self._take(at_the_end=False)

    def finish(self) -> None:
        """Take what waits in the resampler: no more will come."""
        self._take(at_the_end=True)

    def _take(self, at_the_end: bool) -> None:
        start_s, parts = self._collector.drain(at_the_end)
        if self.start_s is None and parts:
            self.start_s = start_s
        self.parts += parts

    @property
    def end_s(self) -> float:
        return (self.start_s or 0.0) + sum(part.shape[1] for part in self.parts) / SAMPLE_RATE

    def forget(self, until_s: float) -> None:
        """Let go what lies before ``until_s``."""
        while self.start_s is not None and self.parts:
            length_s = self.parts[0].shape[1] / SAMPLE_RATE
            if self.start_s + length_s > until_s:
                return
            del self.parts[0]
            self.start_s += length_s

    def sound(self, clock_s: float) -> list[dict]:
        """What ``cut_sounds`` takes, on a clock whose 0 is ``clock_s`` on the recording's."""
        if self.start_s is None or not self.parts:
            return []
        return [{"samples": mixed(self.parts)[0], "offset_s": self.start_s - clock_s}]


class LiveParts:
    """Extraction of a feed. ``picture`` is called with each FRAME and its time on the recording's clock,
    ``shown`` with each picture that is looked at, and ``progress`` after every piece of sound or picture.
    """

    def __init__(
        self,
        feed: LiveFeed,
        settings: Extract,
        folder: Path,
        picture: Callable[[dict, float], None],
        progress: Callable[[], None],
        shown: Callable[[np.ndarray], None] | None = None,
    ):
        self._feed, self._settings, self._folder = feed, settings, folder
        self._picture, self._progress, self._shown = picture, progress, shown
        self._writer = PartsWriter(folder, settings, PART_S)
        self._reader = self._writer.reader = Reader(feed, settings, self)
        self._display = Display(feed.aspect, settings.grayscale)
        self.tail = SoundTail(settings.max_duration_s)
        self.late = 0  # pictures that were let go

    @property
    def start_s(self) -> float:
        """Where the recording's clock is when the first stream starts: the 0 of all results."""
        return self._writer.first_s

    def push(self, frame: av.AudioFrame) -> None:
        """Take the next piece of sound. Raises ClipError."""
        self._writer.push(frame)
        self.tail.push(frame)
        self._stop_in_time(self.tail.end_s)
        self._progress()

    def warm_up(self) -> None:
        """Load the face detector."""
        side = self._settings.detect_side
        local_detector().detect(np.zeros((side, side, 3), np.uint8))

    def run(self) -> RecordingParts:
        """Until the feed ends. Raises ClipError as ``extract_parts`` does."""
        detector = local_detector()
        cropper = FaceCropper(self._display, detector, self._settings, look, block_bytes=0)
        for crop in cropper.crops(self._timely(self._reader.samples())):
            row = self._writer.add_picture(crop)
            self._picture(row, row["time_s"])
            self._progress()
        self.tail.finish()
        self._writer.finish()
        return RecordingParts(self._folder, self._writer.facts(self._feed))

    def _stop_in_time(self, time_s: float) -> None:
        if time_s - self.start_s > self._settings.max_duration_s - SPARE_S:
            self._feed.stop()

    def _timely(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        for sample in samples:
            time_s = (self._reader.sampler.start_s or 0.0) + sample.time_s
            self._stop_in_time(time_s)
            if self._feed.paced and self._feed.lag_s(time_s) > LATE_S:
                self.late += 1
                continue
            if self._shown is not None:
                self._shown(self._display.reduced(sample.frame, self._settings.detect_side)[0])
            yield sample
