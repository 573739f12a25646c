"""A recording's embeddings on its clock, and the windows of time in which it is looked at.

A window is judged as a clip of its length is in training. Pictures are embedded one by one, so a window has
those of the recording that lie within it. Sound is not: speech detection and the speech encoder take a
stretch as a whole, so the sound of each window goes through both alone (``window_sound.py``).
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from mfer_core.base.errors import MferError

WINDOW_S = 4.0  # A window is about as long as the clips that the arms are trained on.
STEP_S = 1.0
Part = tuple[torch.Tensor, torch.Tensor]  # visual [T, D] and audio [T, D]; T is 0 without the modality
Span = tuple[float, float]  # start and end of a window on the recording's clock, seconds
Steps = tuple[np.ndarray, np.ndarray]  # values [T, D] and their times [T], seconds


@dataclass(frozen=True)
class RecordingEmbeddings:
    """Both modalities of one recording; T is 0 where it lacks one. Sound between two stretches of speech has
    no steps.
    """

    visual: np.ndarray  # float32 [T, D], a step per sampled frame
    visual_s: np.ndarray  # [T] seconds on the clip's clock
    audio: np.ndarray  # float32 [T, D], a step per frame of the encoder
    audio_s: np.ndarray  # [T]
    duration_s: float

    def whole(self) -> Part:
        """All steps of both modalities."""
        return torch.from_numpy(np.array(self.visual)), torch.from_numpy(np.array(self.audio))

    def seen(self, span: Span) -> torch.Tensor:
        """The visual steps within a window."""
        steps = self.visual[slice(*np.searchsorted(self.visual_s, open_ends(span, self.duration_s)))]
        return torch.from_numpy(np.array(steps))


class StepsFile:
    """Embeddings [T, D] written one after the other into a file, and then read from there as they are
    needed.
    """

    def __init__(self, path: Path, dim: int):
        self._path, self._dim = path, dim
        self._times: list[np.ndarray] = []

    def __enter__(self) -> "StepsFile":
        self._file = self._path.open("wb")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, values: np.ndarray, times: np.ndarray) -> None:
        """Steps [T, D] and their times [T], later than all before."""
        self._file.write(np.ascontiguousarray(values, np.float32).tobytes())
        self._times.append(times)

    def steps(self) -> tuple[np.ndarray, np.ndarray]:
        """All values [T, D], mapped from the closed file, and all times [T]."""
        times = np.concatenate([*self._times, np.zeros(0)])
        if not len(times):
            return np.zeros((0, self._dim), np.float32), times
        return np.memmap(self._path, np.float32, "r", shape=(len(times), self._dim)), times


SHORTEST_STEP_S = 0.02  # That of speech encoders: nothing changes faster, and each window costs memory.


def window_spans(duration_s: float, window_s: float, step_s: float) -> list[Span]:
    """(start, end) of every window, seconds: one each ``step_s`` until one reaches the end, where it is cut.

    Raises MferError for a step below ``SHORTEST_STEP_S``, one that would leave gaps, and no finite window.
    """
    if not SHORTEST_STEP_S <= step_s <= window_s < math.inf:
        raise MferError(
            f"a window of {window_s:g} s every {step_s:g} s: both at least {SHORTEST_STEP_S:g} s, and the "
            "step no longer than the window"
        )
    count = 1 + max(0, math.ceil((duration_s - window_s) / step_s - 1e-9))
    return [(index * step_s, min(index * step_s + window_s, duration_s)) for index in range(count)]


def open_ends(span: Span, duration_s: float) -> Span:
    """The first window also holds what lies before it, and the last one what lies behind it.

    (Sound may start before the first picture, at a negative time.)
    """
    return span[0] if span[0] > 0 else -math.inf, span[1] if span[1] < duration_s else math.inf


def stretch(span: Span, window_s: float, step_s: float, duration_s: float) -> Span:
    """What of a recording a window speaks for, seconds: the step about its centre, the first and the last
    window also for what lies before and after.
    """
    first = span[0] + (window_s - step_s) / 2 if span[0] else 0.0
    return first, (span[0] + (window_s + step_s) / 2 if span[1] < duration_s else span[1])


def label_segments(
    timeline: pd.DataFrame, arm: str, step_s: float, duration_s: float | None = None
) -> list[tuple[float, float, str]]:
    """Stretches of one label in an arm's windows, which start every ``step_s`` seconds: (start, end, label),
    seconds.

    A gap stays where windows have no row for the arm. ``duration_s`` is the recording's, where the timeline
    may end before it.
    """
    window_s = (timeline.end_s - timeline.start_s).max()
    end_s = timeline.end_s.max() if duration_s is None else duration_s
    segments: list[tuple[float, float, str]] = []
    for row in timeline[timeline.arm == arm].itertuples():
        first, last = stretch((row.start_s, row.end_s), window_s, step_s, end_s)
        if segments and segments[-1][2] == row.label and abs(segments[-1][1] - first) < 1e-6:
            first = segments.pop()[0]
        segments.append((float(first), float(last), row.label))
    return segments
