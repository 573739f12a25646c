"""Faces followed through time: detected every so often, matched by overlap, interpolated in between."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MIN_OVERLAP = 0.2  # two boxes with at least this intersection over union are one face
FORGET_S = 2.0  # a face that was away for longer gets a new track when it comes back


@dataclass(frozen=True)
class FaceBox:
    """One face in one frame. ``confidence`` is None for a box interpolated between two detections."""

    track: int
    box: np.ndarray  # x0, y0, x1, y1
    confidence: float | None

    @property
    def area(self) -> float:
        return float(np.prod(self.box[2:] - self.box[:2]))


@dataclass
class TrackedFrame:
    """One frame: its time, what the caller gave with it, and the boxes of its faces (none while
    undecided).
    """

    time_s: float
    payload: Any
    boxes: list[FaceBox] = field(default_factory=list)
    faces: int | None = None  # number of faces that the detector saw; None where it did not run


@dataclass
class Tracker:
    """Runs ``detect`` (payload -> [n, 5] boxes and confidences) every ``every_s`` seconds.

    When the faces of two such frames pair up one to one, the frames in between get boxes interpolated by
    time; otherwise a face came or went, and the detector runs on each of them.
    """

    detect: Callable[[Any], np.ndarray]
    every_s: float
    _last: dict[int, tuple[float, np.ndarray]] = field(default_factory=dict)
    _pending: list[TrackedFrame] = field(default_factory=list)
    _anchor: TrackedFrame | None = None
    _count: int = 0

    def push(self, time_s: float, payload: Any) -> Iterator[TrackedFrame]:
        """Take the next frame; yield the frames that it decides, in order."""
        frame = TrackedFrame(time_s, payload)
        if self._anchor is not None and time_s - self._anchor.time_s < self.every_s - 1e-6:
            self._pending.append(frame)
        else:
            yield from self._close(frame)

    def finish(self) -> Iterator[TrackedFrame]:
        """Yield the frames that still wait; the detector runs on the last of them."""
        if self._pending:
            yield from self._close(self._pending.pop())

    def _close(self, frame: TrackedFrame) -> Iterator[TrackedFrame]:
        detections = self.detect(frame.payload)
        if not self._bridge(detections, frame.time_s):
            for between in self._pending:
                self._settle(between, self.detect(between.payload))
        self._settle(frame, detections)
        yield from (*self._pending, frame)
        self._pending, self._anchor = [], frame

    def _bridge(self, detections: np.ndarray, time_s: float) -> bool:
        """Fill the waiting frames by interpolation; False when the faces at both ends do not pair up."""
        if self._anchor is None:
            return False
        start, start_s = self._anchor.boxes, self._anchor.time_s
        pairs = match([face.box for face in start], detections[:, :4])
        if len(pairs) != len(start) or len(pairs) != len(detections):
            return False
        for between in self._pending:
            share = (between.time_s - start_s) / (time_s - start_s)
            between.boxes = [
                FaceBox(start[old].track, (1 - share) * start[old].box + share * detections[new, :4], None)
                for old, new in pairs
            ]
        return True

    def _settle(self, frame: TrackedFrame, detections: np.ndarray) -> None:
        """Give every face detected in a frame its track: a known one that it overlaps, or a new one."""
        last = self._last.items()
        self._last = {track: (when, box) for track, (when, box) in last if frame.time_s - when <= FORGET_S}
        names, boxes = list(self._last), [box for _, box in self._last.values()]
        tracks = {new: names[old] for old, new in match(boxes, detections[:, :4])}
        frame.boxes, frame.faces = [], len(detections)
        for new, row in enumerate(detections):
            if new not in tracks:
                tracks[new] = self._count
                self._count += 1
            frame.boxes.append(FaceBox(tracks[new], row[:4], float(row[4])))
            self._last[tracks[new]] = (frame.time_s, row[:4])


def overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes [n, 4] and [m, 4] as [n, m]."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:4], second[None, :, 2:4])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1) for boxes in (first, second)]
    return common / (areas[0][:, None] + areas[1][None, :] - common)


def match(old: list[np.ndarray], new: np.ndarray) -> list[tuple[int, int]]:
    """Pair boxes, the largest overlap first; pairs under ``MIN_OVERLAP`` are none."""
    if not old or not len(new):
        return []
    scores = overlap(np.stack(old), new)
    pairs = []
    while scores.max() >= MIN_OVERLAP:
        row, column = np.unravel_index(scores.argmax(), scores.shape)
        pairs.append((int(row), int(column)))
        scores[row, :] = scores[:, column] = -1
    return pairs
