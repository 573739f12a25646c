"""Timelines beside the truth: how much of the time has a wrong label, and how far off changes are."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

Segment = tuple[float, float, str]  # start and end in seconds, label


def emotion_error_rate(truth: Sequence[Segment], timeline: Sequence[Segment]) -> float:
    """Seconds in which ``timeline`` has another label than ``truth``, none, or one where the truth has none,
    per second of truth (EDER of Wang et al. 2023, https://arxiv.org/abs/2306.12991).

    Neither may have overlapping segments.
    """
    edges = np.unique([time for start, end, _ in (*truth, *timeline) for time in (start, end)])
    wrong = sum(
        last - first
        for first, last in pairwise(edges)
        if _label(truth, first, last) != _label(timeline, first, last)
    )
    return float(wrong / sum(end - start for start, end, _ in truth))


def _label(segments: Sequence[Segment], first: float, last: float) -> str | None:
    middle = (first + last) / 2
    return next((label for start, end, label in segments if start <= middle < end), None)


def changes(segments: Sequence[Segment]) -> list[float]:
    """The times at which the label changes, seconds."""
    return [following[0] for one, following in pairwise(segments) if one[2] != following[2]]


def boundary_error(truth: Sequence[Segment], timeline: Sequence[Segment]) -> float:
    """Mean seconds from each change of the truth to the nearest one of ``timeline``. The recording's ends
    count as changes of both. NaN where the truth has no change.
    """
    known = np.array([truth[0][0], *changes(timeline), truth[-1][1]])
    distances = [np.abs(known - time).min() for time in changes(truth)]
    return float(np.mean(distances)) if distances else float("nan")
