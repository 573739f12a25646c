"""Antialiased shapes in face coordinates: the origin between eyes and mouth, 1 = half the head's width, y
downwards.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

_SHIFT = 4  # cv2 takes points in 1/16 pixel


@dataclass(frozen=True)
class View:
    """Where the face sits in a picture of width x height pixels."""

    width: int
    height: int
    x: float  # pixels, the face's origin
    y: float
    scale: float  # pixels per unit
    roll: float = 0.0  # radians

    @cached_property
    def matrix(self) -> np.ndarray:
        """[2, 2], what a row of face coordinates is multiplied with on the way to pixels."""
        cos, sin = np.cos(self.roll) * self.scale, np.sin(self.roll) * self.scale
        return np.array([[cos, sin], [-sin, cos]])

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Points [N, 2] in face coordinates as pixels."""
        return points @ self.matrix + (self.x, self.y)

    def zoomed(self, factor: float) -> "View":
        """The same view in a picture ``factor`` times as large."""
        size = round(self.width * factor), round(self.height * factor)
        return View(*size, self.x * factor, self.y * factor, self.scale * factor, self.roll)


def _fixed(view: View, points: np.ndarray) -> np.ndarray:
    return (view.pixels(points) * (1 << _SHIFT)).astype(np.int32)


def fill(image: np.ndarray, view: View, points: np.ndarray, colour: np.ndarray) -> None:
    """Fill the polygon ``points`` [N, 2]."""
    cv2.fillPoly(image, [_fixed(view, points)], colour.tolist(), cv2.LINE_AA, _SHIFT)


def stroke(
    image: np.ndarray, view: View, points: np.ndarray, colour: np.ndarray, width: float = 0.02
) -> None:
    """Draw the open line ``points`` [N, 2], ``width`` units thick (one pixel at least)."""
    thickness = max(1, round(width * view.scale))
    cv2.polylines(image, [_fixed(view, points)], False, colour.tolist(), thickness, cv2.LINE_AA, _SHIFT)


_CIRCLE = np.linspace(0, 2 * np.pi, 28, endpoint=False)
CIRCLE = np.stack([np.cos(_CIRCLE), np.sin(_CIRCLE)], axis=1)


def ellipse(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """Points of an ellipse."""
    return CIRCLE * (rx, ry) + (x, y)


def blend(one: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """``one`` with ``share`` (0..1) of ``other`` in it."""
    share = min(max(share, 0.0), 1.0)
    return (1 - share) * one + share * other


def points(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """[N, 2] from two [N] arrays."""
    joined = np.empty((len(x), 2))
    joined[:, 0], joined[:, 1] = x, y
    return joined


def band(x: np.ndarray, top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """The outline [2 N, 2] of what lies between two curves over ``x``."""
    outline = np.empty((2 * len(x), 2))
    outline[: len(x), 0], outline[: len(x), 1] = x, top
    outline[len(x) :, 0], outline[len(x) :, 1] = x[::-1], bottom[::-1]
    return outline
