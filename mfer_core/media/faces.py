"""The main face of every sampled frame, cropped square.

The rule for several faces: the track with the largest sum of box areas over its frames (size and length in one) is
the main face; where it is missing, the best other track of that frame stands in. The rule for no face: the crop
stays where the main face is nearest in time ("held", at most ``HOLD_S`` away), else it is the centre of the picture
("centre"); the box of such a row is empty.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from mfer_core.media.tracks import Seen, Sighting, Tracker

BLOCK_BYTES = 96 << 20  # pictures held while the main face of a stretch is not known; a minute of 720p at 2 per second
HOLD_S = 2.0


@dataclass(frozen=True)
class Picture:
    """A displayed frame to crop from, and its reduced copy for the detector."""

    time_s: float
    shown_s: float
    image: np.ndarray  # uint8 [H, W] or [H, W, 3]
    small: np.ndarray  # uint8 [h, w, 3], BGR
    scale: float  # h / H


@dataclass(frozen=True)
class Crop:
    """A row of FRAMES, not yet encoded."""

    time_s: float
    shown_s: float
    image: np.ndarray  # uint8 [side, side] or [side, side, 3]
    source: str  # "detected", "track", "held" or "centre"
    box: np.ndarray | None  # x0, y0, x1, y1, pixels of the displayed frame
    confidence: float | None
    faces: int | None


class FaceCropper:
    """Streams pictures into crops. ``detector`` has ``detect(BGR) -> [n, 5]``; ``margin`` is of the longer box side."""

    def __init__(self, detector, every_s: float, side: int, margin: float):
        self._detector, self._side, self._margin = detector, side, margin
        self._tracker = Tracker(self._detect, every_s)
        self._area: dict[int, float] = defaultdict(float)

    def crops(self, pictures: Iterable[Picture]) -> Iterator[Crop]:
        """One crop per picture, in order. Memory is bounded: the main face is chosen per block, by the areas so far."""
        block: list[Seen] = []
        for picture in pictures:
            block += self._tracker.push(picture.time_s, picture)
            if sum(seen.payload.image.nbytes for seen in block) > BLOCK_BYTES:
                yield from self._finish_block(block)
                block = []
        yield from self._finish_block([*block, *self._tracker.finish()])

    def _detect(self, picture: Picture) -> np.ndarray:
        faces = self._detector.detect(picture.small)
        faces[:, :4] /= picture.scale
        return faces

    def _finish_block(self, block: list[Seen]) -> Iterator[Crop]:
        for seen in block:
            for sighting in seen.sightings:
                self._area[sighting.track] += float(np.prod(sighting.box[2:] - sighting.box[:2]))
        chosen = [max(seen.sightings, key=lambda s: (self._area[s.track], -s.track), default=None) for seen in block]
        for seen, sighting in zip(block, chosen, strict=True):
            yield self._crop(seen, sighting, None if sighting else _nearest(seen.time_s, block, chosen))

    def _crop(self, seen: Seen, sighting: Sighting | None, held: np.ndarray | None) -> Crop:
        picture: Picture = seen.payload
        box = sighting.box if sighting else held
        source = ("track" if sighting.confidence is None else "detected") if sighting else ("centre" if held is None else "held")
        image = cut(picture.image, square(box, self._margin, picture.image.shape), self._side)
        confidence = sighting.confidence if sighting else None
        return Crop(picture.time_s, picture.shown_s, image, source, sighting.box if sighting else None, confidence, seen.faces)


def _nearest(time_s: float, block: list[Seen], chosen: list[Sighting | None]) -> np.ndarray | None:
    """The chosen box nearest in time within ``HOLD_S``; the earlier of two equally near."""
    near = [(abs(seen.time_s - time_s), seen.time_s, s) for seen, s in zip(block, chosen, strict=True) if s]
    distance, _, sighting = min(near, key=lambda entry: entry[:2], default=(np.inf, 0.0, None))
    return sighting.box if distance <= HOLD_S + 1e-6 else None


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


def cut(image: np.ndarray, place: tuple[int, int, int], side: int) -> np.ndarray:
    """The square ``place`` of ``image`` at ``side`` pixels; what lies beyond the picture repeats its edge."""
    left, top, length = place
    height, width = image.shape[:2]
    inside = image[max(top, 0) : top + length, max(left, 0) : left + length]
    beyond = (max(-top, 0), max(top + length - height, 0), max(-left, 0), max(left + length - width, 0))
    if any(beyond):
        inside = cv2.copyMakeBorder(inside, *beyond, cv2.BORDER_REPLICATE)
    return cv2.resize(inside, (side, side), interpolation=cv2.INTER_AREA if length > side else cv2.INTER_LINEAR)
