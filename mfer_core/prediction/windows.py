"""A recording's embeddings on its clock, and the windows of time in which they are looked at."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from mfer_core.errors import MferError

WINDOW_S = 4.0  # about as long as the clips that the arms are trained on
STEP_S = 1.0


@dataclass(frozen=True)
class Embedded:
    """Both modalities of one recording; T is 0 where it lacks one. Sound between two stretches of speech has no steps."""

    visual: np.ndarray  # float32 [T, D], a step per sampled frame
    visual_s: np.ndarray  # [T] seconds on the clip's clock
    audio: np.ndarray  # float32 [T, D], a step per 20 ms
    audio_s: np.ndarray  # [T]
    duration_s: float

    def between(self, start_s: float, end_s: float) -> tuple[torch.Tensor, torch.Tensor]:
        """The steps of both modalities from ``start_s`` up to ``end_s``; from 0 and to the end: with all that lies beyond.

        (Sound may start before the first picture, at a negative time.)
        """
        first = start_s if start_s > 0 else -math.inf
        last = end_s if end_s < self.duration_s else math.inf
        sides = ((self.visual, self.visual_s), (self.audio, self.audio_s))
        visual, audio = (torch.from_numpy(values[(times >= first) & (times < last)]) for values, times in sides)
        return visual, audio


def window_spans(duration_s: float, window_s: float, step_s: float) -> list[tuple[float, float]]:
    """(start, end) of every window, seconds: one each ``step_s`` until one reaches the end, where it is cut.

    Raises MferError for a window or a step that is not above 0, and a step that would leave gaps.
    """
    if not 0 < step_s <= window_s:
        raise MferError(f"a window of {window_s:g} s every {step_s:g} s: both above 0, and the step no longer than the window")
    count = 1 + max(0, math.ceil((duration_s - window_s) / step_s - 1e-9))
    return [(place * step_s, min(place * step_s + window_s, duration_s)) for place in range(count)]


def label_segments(timeline: pd.DataFrame, arm: str) -> list[tuple[float, float, str]]:
    """Stretches of one label in an arm's windows as (start, end, label), seconds; two windows meet between their centres.

    A gap stays where windows have no row for the arm.
    """
    rows = timeline[timeline.arm == arm]
    starts = timeline.start_s.unique()
    place = np.searchsorted(starts, rows.start_s)
    centres = timeline.drop_duplicates("start_s")[["start_s", "end_s"]].mean(axis=1).to_numpy()
    edges = np.concatenate([[0.0], (centres[:-1] + centres[1:]) / 2, [timeline.end_s.max()]])
    segments: list[tuple[float, float, str]] = []
    for at, label in zip(place, rows.label, strict=True):
        if segments and segments[-1][1:] == (edges[at], label):
            segments[-1] = (segments[-1][0], edges[at + 1], label)
        else:
            segments.append((edges[at], edges[at + 1], label))
    return [(float(start), float(end), label) for start, end, label in segments]
