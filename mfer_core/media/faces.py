"""The main face of every sampled frame, cropped square.

The rule for several faces: the track with the largest sum of box areas over its frames (size and length in
one) is the main face; where it is missing, the best other track of that frame stands in. The rule for no
face: the crop stays where the main face is nearest in time ("held", at most ``HOLD_S`` away), else it is the
centre of the picture ("centre"); the box of such a row is empty.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from mfer_core.base.settings import Extract
from mfer_core.media.picture import Display, Still
from mfer_core.media.sampling import Sample
from mfer_core.media.tracks import FaceBox, TrackedFrame, Tracker

# Crops and pictures that are held while the main face is not known: some minutes of an ordinary clip.
BLOCK_BYTES = 96 << 20
MAX_FACES = 4  # Of a frame's faces the largest are kept.
HOLD_S = 2.0  # A face that is not seen keeps its place in the picture for this long.


# Describes the face in a box [4] of a picture [H, W, 3] by values that tell people apart.
Look = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Face:
    """One of the faces of a frame, followed from frame to frame as ``track``."""

    track: int
    box: np.ndarray  # x0, y0, x1, y1, pixels of the displayed frame
    confidence: float | None
    image: np.ndarray  # uint8 [side, side] or [side, side, 3]
    look: np.ndarray


@dataclass(frozen=True)
class Crop:
    """A FRAME, not yet encoded."""

    time_s: float
    image: np.ndarray  # uint8 [side, side] or [side, side, 3]
    source: str  # "detected", "track", "held" or "centre"
    box: np.ndarray | None  # x0, y0, x1, y1, pixels of the displayed frame
    confidence: float | None
    faces: int | None
    # Where the cropper was given a ``look``: all faces of the frame, and which of them is the main one.
    everyone: tuple[Face, ...] = ()
    main: int | None = None


@dataclass(frozen=True)
class _Undecided:
    """A frame whose main face is not known yet: its largest faces already cropped, the picture itself only
    without any.
    """

    tracked: TrackedFrame
    crops: dict[int, np.ndarray]  # track -> image
    still: Still | None
    looks: dict[int, np.ndarray]  # track -> look

    @property
    def nbytes(self) -> int:
        return sum(crop.nbytes for crop in self.crops.values()) + (
            self.still.pixels.nbytes if self.still else 0
        )


class Detector(Protocol):
    """Finds the faces of a picture."""

    def detect(self, image: np.ndarray) -> np.ndarray:
        """float32 [n, 5] of a BGR picture [H, W, 3]: x0, y0, x1, y1 in its pixels, and the confidence."""


class FaceCropper:
    """Streams samples into crops. ``detector`` sees pictures reduced to ``detect_side``, and so does
    ``look``, with which crops also hold everyone's face.
    """

    def __init__(
        self,
        display: Display,
        detector: Detector,
        settings: Extract,
        look: Look | None = None,
        block_bytes: int = BLOCK_BYTES,
    ):
        self._block_bytes = block_bytes
        self._last_main: tuple[float, FaceBox] | None = None  # of the blocks so far
        self._display, self._detector, self._settings, self._look = display, detector, settings, look
        self._tracker = Tracker(self._detect, settings.detect_every_s)
        self._area: dict[int, float] = defaultdict(float)

    def crops(self, samples: Iterable[Sample]) -> Iterator[Crop]:
        """One crop per sample, in order. Memory is bounded: the main face is chosen per block, by the areas
        so far. With ``block_bytes`` of 0 crops come as soon as their faces are known.
        """
        block: list[_Undecided] = []
        for sample in samples:
            block += map(self._develop, self._tracker.push(sample.time_s, sample))
            if sum(frame.nbytes for frame in block) > self._block_bytes:
                yield from self._decide(block)
                block = []
        yield from self._decide([*block, *map(self._develop, self._tracker.finish())])

    def _detect(self, sample: Sample) -> np.ndarray:
        small, scale = self._display.reduced(sample.frame, self._settings.detect_side)
        faces = self._detector.detect(small)
        return faces / np.array([scale] * 4 + [1], np.float32)

    def _develop(self, tracked: TrackedFrame) -> _Undecided:
        """Crop the largest faces now, so that the frame need not be kept."""
        still = self._display.still(tracked.payload.frame)
        largest = sorted(tracked.boxes, key=lambda face: -face.area)[:MAX_FACES]
        crops = {face.track: self._cut(still, face.box) for face in largest}
        for face in largest:
            self._area[face.track] += face.area
        looks = self._looks(tracked.payload, largest)
        tracked = replace(tracked, boxes=largest, payload=replace(tracked.payload, frame=None))
        return _Undecided(tracked, crops, None if crops else still.keep(), looks)

    def _looks(self, sample: Sample, faces: list[FaceBox]) -> dict[int, np.ndarray]:
        if self._look is None or not faces:
            return {}
        small, scale = self._display.reduced(sample.frame, self._settings.detect_side)
        return {face.track: self._look(small, scale * face.box) for face in faces}

    def _decide(self, block: list[_Undecided]) -> Iterator[Crop]:
        main = [
            max(frame.tracked.boxes, key=lambda s: (self._area[s.track], -s.track), default=None)
            for frame in block
        ]
        faces = [(frame.tracked.time_s, face) for frame, face in zip(block, main, strict=True) if face]
        known = [self._last_main, *faces] if self._last_main else faces
        self._last_main = known[-1] if known else None
        for frame, face in zip(block, main, strict=True):
            yield self._face(frame, face) if face else self._no_face(frame, _nearest(frame, known))

    def _face(self, frame: _Undecided, face: FaceBox) -> Crop:
        source = "track" if face.confidence is None else "detected"
        crop = self._crop(frame.tracked, frame.crops[face.track], source, face.box, face.confidence)
        everyone = tuple(
            Face(one.track, one.box, one.confidence, frame.crops[one.track], frame.looks[one.track])
            for one in frame.tracked.boxes
            if one.track in frame.looks
        )
        return replace(crop, everyone=everyone, main=face.track)

    def _no_face(self, frame: _Undecided, held: np.ndarray | None) -> Crop:
        assert frame.still is not None  # kept of every frame without a face
        source = "centre" if held is None else "held"
        return self._crop(frame.tracked, self._cut(frame.still, held), source, None, None)

    def _crop(
        self,
        tracked: TrackedFrame,
        image: np.ndarray,
        source: str,
        box: np.ndarray | None,
        confidence: float | None,
    ) -> Crop:
        return Crop(tracked.time_s, image, source, box, confidence, tracked.faces)

    def _cut(self, still: Still, box: np.ndarray | None) -> np.ndarray:
        return still.crop(*square(box, self._settings.margin, still.pixels.shape), self._settings.image_size)


def _nearest(frame: _Undecided, faces: list[tuple[float, FaceBox]]) -> np.ndarray | None:
    """The box nearest in time of main faces within ``HOLD_S``; the earlier of two equally near."""
    near = [(abs(when - frame.tracked.time_s), when, face) for when, face in faces]
    if not near:
        return None
    distance, _, face = min(near, key=lambda entry: entry[:2])
    return face.box if distance <= HOLD_S + 1e-6 else None


def square(box: np.ndarray | None, margin: float, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Left, top and side of the square to crop, whole pixels, moved inside the picture as far as it fits.

    Without a box: the largest square at the centre.
    """
    height, width = shape[:2]
    if box is None:
        side = min(height, width)
        return (width - side) // 2, (height - side) // 2, side
    x0, y0, x1, y1 = (float(value) for value in box)
    side = max(1, round(max(x1 - x0, y1 - y0) * (1 + 2 * margin)))
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    return _inside(left, side, width), _inside(top, side, height), side


def _inside(start: int, side: int, length: int) -> int:
    return min(max(start, 0), length - side) if side <= length else (length - side) // 2
