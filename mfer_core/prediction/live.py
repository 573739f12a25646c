"""A feed judged window by window while it comes, with the same values that ``predict`` has afterwards.

A window is judged as soon as its pictures and its sound are whole. Where the machine is too slow, pictures
are let go (``live_feed.py``, ``live_parts.py``) and windows are passed over for the newest one, so that
what is said is never far behind; all windows of what was kept are judged at the end.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.media.clip import encode
from mfer_core.media.live_feed import LiveFeed
from mfer_core.media.live_parts import LiveParts
from mfer_core.media.parts import RecordingParts
from mfer_core.media.sound import Waveform
from mfer_core.media.sound_windows import cut_sounds, hear
from mfer_core.prediction.predictor import Predictor
from mfer_core.prediction.window_sound import steps_of
from mfer_core.prediction.windows import Span, open_ends, window_spans

PATIENCE_S = 0.9  # A window is judged so long after its end at the latest, with what is there.
TOLERANCE_S = 1e-6


@dataclass(frozen=True)
class LiveWindow:
    """One window as the arms see it."""

    start_s: float
    end_s: float
    arms: dict[str, dict[str, float]]  # arm -> class -> probability, for the arms that have a say
    latency_s: float  # from the window's end to its judgement; 0 where nothing is paced


class LiveSession:
    """One feed from its start to its end. ``tell`` is called with every window that is judged, ``shown``
    with every picture that is looked at: uint8 BGR [h, w, 3].
    """

    def __init__(
        self,
        predictor: Predictor,
        feed: LiveFeed,
        spans_s: tuple[float, float],
        folder: Path,
        tell: Callable[[LiveWindow], None],
        shown: Callable[[np.ndarray], None] | None = None,
    ):
        self._predictor, self._feed, self._tell = predictor, feed, tell
        self._window_s, self._step_s = spans_s
        window_spans(0.0, *spans_s)  # Raises MferError for impossible ones.
        extract = predictor.settings.extract
        self._parts = LiveParts(feed, extract, folder, self._see, self._advance, shown)
        self._frame_s = 1 / extract.frames_per_second
        self._faces: list[tuple[float, np.ndarray]] = []  # time on the recording's clock, and embedding [D]
        self._seen_s = -math.inf  # of the last picture, on the recording's clock
        self._next = 0  # the number of the window that is judged next
        self.passed_over = 0  # windows that were not judged because a newer one was whole
        self.latencies_s: list[float] = []

    @property
    def pictures_let_go(self) -> int:
        return self._feed.dropped + self._parts.late

    def run(self) -> RecordingParts:
        """Judge windows until the feed ends; the recording's parts, for ``Predictor.judge``.

        Raises ClipError where there was nothing to see or hear.
        """
        self._warm_up()
        parts = self._parts.run()
        duration_s = parts.facts["duration_s"]
        for span in window_spans(duration_s, self._window_s, self._step_s)[self._next :]:
            self._judge(span, open_ends(span, duration_s))
        return parts

    def _warm_up(self) -> None:
        """Load what is loaded at first use, before anything comes."""
        settings = self._predictor.settings.extract
        noise = np.random.default_rng(0).integers(-99, 99, round(self._window_s * SAMPLE_RATE))
        heard = hear(Waveform(noise.astype(np.int16), 0.0), settings, without_speech=True)
        ((audio, _),) = steps_of([heard], self._predictor.audio)
        side = settings.image_size
        blank = np.zeros((side, side) if settings.grayscale else (side, side, 3), np.uint8)
        visual = self._predictor.embed_images([encode(blank, settings.image_format)])
        list(self._predictor.decide([(torch.from_numpy(visual), torch.from_numpy(audio))]))
        self._parts.warm_up()

    def _see(self, row: dict, time_s: float) -> None:
        (values,) = self._predictor.embed_images([row["image"]])
        self._faces.append((time_s, values))
        self._seen_s = time_s

    def _advance(self) -> None:
        """Judge the window that has become whole, of several the newest; none that is long past."""
        newest = self._next
        while self._is_whole(self._span(newest)):
            newest += 1
        if newest == self._next:
            return
        first = self._next
        if self._feed.paced:
            end_s = self._parts.start_s + self._span(newest - 1)[1]
            behind = self._feed.lag_s(end_s) > max(self._step_s, PATIENCE_S) + TOLERANCE_S
            first = newest if behind else newest - 1
        self.passed_over += first - self._next
        for number in range(first, newest):
            span = self._span(number)
            self._judge(span, open_ends(span, math.inf))
        self._next = newest
        self._forget(self._span(newest)[0])

    def _span(self, number: int) -> Span:
        return number * self._step_s, number * self._step_s + self._window_s

    def _is_whole(self, span: Span) -> bool:
        """Whether pictures and sound reach the window's end, or have had the time to."""
        has_begun = self._seen_s > -math.inf or self._parts.tail.start_s is not None
        if not has_begun:
            return False
        end_s = self._parts.start_s + span[1]
        sides = (
            (self._feed.video, self._seen_s + self._frame_s),
            (self._feed.audio, self._parts.tail.end_s),
        )
        reached = [reached_s >= end_s - TOLERANCE_S for stream, reached_s in sides if stream is not None]
        return all(reached) or (any(reached) and self._feed.paced and self._feed.lag_s(end_s) > PATIENCE_S)

    def _judge(self, span: Span, edges: Span) -> None:
        clock_s, settings = self._parts.start_s, self._predictor.settings.extract
        (sound,) = cut_sounds(self._parts.tail.sound(clock_s), [edges])
        ((audio, _),) = steps_of([hear(sound, settings, without_speech=False)], self._predictor.audio)
        faces = [values for time_s, values in self._faces if edges[0] <= time_s - clock_s < edges[1]]
        visual = np.array(faces, np.float32).reshape(-1, self._predictor.visual.dim)
        part = torch.from_numpy(visual), torch.from_numpy(audio)
        (decision,) = self._predictor.decide([part])
        arms = {
            arm: dict(zip(self._predictor.classes, values.tolist(), strict=True))
            for arm, values in decision.items()
        }
        latency_s = self._feed.lag_s(clock_s + span[1]) if self._feed.paced else 0.0
        self.latencies_s.append(latency_s)
        self._tell(LiveWindow(*span, arms, latency_s))

    def _forget(self, start_s: float) -> None:
        """Let go what no later window holds."""
        earliest_s = self._parts.start_s + start_s
        self._faces = [(time_s, values) for time_s, values in self._faces if time_s >= earliest_s]
        self._parts.tail.forget(earliest_s)


def percentile_s(latencies_s: list[float], percent: float) -> float:
    """NaN of none."""
    return float(np.percentile(latencies_s, percent)) if latencies_s else math.nan
