"""The moving part of a face: brows, eyes, nose and mouth drawn from expression axes (see
emotions.FACE_AXES).
"""

from dataclasses import dataclass

import numpy as np

from demo.drawing import CIRCLE, View, band, blend, ellipse, fill, points, stroke
from demo.people import Looks

_T = np.linspace(-1, 1, 13)
_ARCH = 1 - _T**2
_WHITE = np.array([238.0, 240.0, 242.0])
_DARK = np.array([24.0, 22.0, 30.0])


@dataclass(frozen=True)
class Pose:
    """Where the face looks: shifts of the features in face units, and how far the eyes are closed by a
    blink.
    """

    turn: float = 0.0
    nod: float = 0.0
    blink: float = 0.0  # 0 open .. 1 closed
    gaze: float = 0.0


def draw(image: np.ndarray, view: View, looks: Looks, face: dict[str, float], pose: Pose) -> None:
    """Draw the features onto a portrait painted with the same ``view`` and ``looks``."""
    shade = looks.skin * 0.55
    x, y = view.pixels(np.array([(0.12 * pose.turn, 0.10 * pose.nod)]))[0]
    shifted = View(view.width, view.height, x, y, view.scale, view.roll)
    _folds(image, shifted, looks, face, shade)
    _nose(image, shifted, looks, face, shade)
    for side in (-1, 1):
        _eye(image, shifted, looks, face, pose, side)
        _brow(image, shifted, looks, face, side)
    _mouth(image, shifted, looks, face)
    if looks.glasses:
        _glasses(image, shifted, looks)


def _eye(image: np.ndarray, view: View, looks: Looks, face: dict[str, float], pose: Pose, side: int) -> None:
    width, x0 = looks.eye_width, side * looks.eye_x
    squint, lids = face["squint"], face["lids"]
    upper = looks.eye_height * np.clip(1 + 0.75 * lids - 0.35 * squint, 0.10, 1.9) * (1 - pose.blink)
    lower = (
        looks.eye_height * np.clip(0.75 + 0.15 * lids - 0.70 * squint, 0.06, 1.3) * (1 - pose.blink)
        - 0.04 * pose.blink
    )
    x = x0 + width * _T
    top, bottom = looks.eye_y - upper * _ARCH, looks.eye_y + lower * _ARCH
    fill(image, view, band(x, top, bottom), _WHITE * 0.93)
    for radius, colour in ((0.135, looks.iris), (0.07, _DARK)):
        ring = CIRCLE * radius + (x0 + 0.07 * pose.gaze, looks.eye_y - 0.01)
        ring[:, 1] = np.clip(ring[:, 1], np.interp(ring[:, 0], x, top), np.interp(ring[:, 0], x, bottom))
        fill(image, view, ring, colour)
    if pose.blink < 0.5:
        fill(image, view, ellipse(x0 + 0.03 + 0.07 * pose.gaze, looks.eye_y - 0.045, 0.028, 0.028), _WHITE)
    stroke(image, view, points(x, top), blend(looks.skin, _DARK, 0.85), 0.04)
    stroke(image, view, points(x, bottom), looks.skin * 0.62, 0.02)
    crease = points(x, top - 0.05 - 0.03 * _ARCH)
    stroke(image, view, crease[2:-2], looks.skin * 0.76, 0.02)


def _brow(image: np.ndarray, view: View, looks: Looks, face: dict[str, float], side: int) -> None:
    inner, outer, furrow = face["brow_inner"], face["brow_outer"], face["furrow"]
    t = np.linspace(0, 1, 9)
    x = 0.17 - 0.05 * furrow + t * (looks.eye_x + looks.eye_width + 0.04 - 0.17)
    y = looks.eye_y - looks.brow_y + 0.05 - 0.09 * np.sin(np.pi * t**0.8) + looks.brow_tilt * (t - 0.5)
    y = (
        y
        - 0.20 * inner * (1 - t) ** 1.5
        - 0.18 * outer * t**0.7
        + 0.20 * furrow * (1 - t) ** 1.3
        + 0.03 * furrow
    )
    thick = looks.brow_thick * (1.0 - 0.65 * t**2)
    edge = band(x, y - thick, y + thick * 0.6)
    fill(image, view, edge * (side, 1), looks.brows)


def _folds(image: np.ndarray, view: View, looks: Looks, face: dict[str, float], shade: np.ndarray) -> None:
    """Wrinkles, the deeper the stronger the movement that makes them."""
    raised = (face["brow_inner"] + face["brow_outer"]) / 2
    if raised > 0.25:
        for level in (0.0, 0.12):
            y = looks.eye_y - looks.brow_y - 0.24 - level - 0.03 * _ARCH
            stroke(image, view, points(0.42 * _T, y), blend(looks.skin, shade, raised - 0.2), 0.025)
    if face["furrow"] > 0.2:
        for side in (-1, 1):
            line = np.array([(side * 0.07, looks.eye_y - 0.26), (side * 0.05, looks.eye_y - 0.08)])
            stroke(image, view, line, blend(looks.skin, shade, face["furrow"]), 0.035)
    fold = max(face["smile"], face["sneer"], 0.0)
    corner = 0.5 + 0.05 * face["stretch"]
    for side in (-1, 1):
        line = np.array([(0.20, looks.nose_length - 0.18), (0.33, 0.42), (corner, looks.mouth_y - 0.1)]) * (
            side,
            1,
        )
        stroke(image, view, line, blend(looks.skin, shade, 0.12 + 0.5 * fold), 0.025)
        if face["squint"] > 0.3:
            bag = points(side * looks.eye_x + 0.2 * _T, looks.eye_y + 0.17 + 0.04 * _ARCH)
            stroke(image, view, bag, blend(looks.skin, shade, 0.6 * face["squint"]), 0.02)


def _nose(image: np.ndarray, view: View, looks: Looks, face: dict[str, float], shade: np.ndarray) -> None:
    sneer = np.clip(face["sneer"], -0.3, 1.5)
    width, y = looks.nose_width * (1 + 0.15 * sneer), looks.nose_length - 0.10 - 0.07 * sneer
    tip = np.array(
        [
            (-width, y - 0.03),
            (-width * 0.9, y + 0.05),
            (-0.05, y + 0.08),
            (0.05, y + 0.08),
            (width * 0.9, y + 0.05),
            (width, y - 0.03),
        ]
    )
    stroke(image, view, tip, blend(looks.skin, shade, 0.6), 0.03)
    for side in (-1, 1):
        fill(image, view, ellipse(side * 0.085, y + 0.04, 0.045, 0.025), shade * 0.7)
        bridge = np.array([(side * 0.09, looks.eye_y + 0.02), (side * 0.08, y - 0.12)])
        stroke(image, view, bridge, looks.skin * 0.88, 0.02)
        if sneer > 0.25:
            for level in (0.0, 0.07):
                line = np.array(
                    [(side * 0.03, looks.eye_y + 0.10 + level), (side * 0.13, looks.eye_y + 0.05 + level)]
                )
                stroke(image, view, line, blend(looks.skin, shade, 0.8 * sneer), 0.025)


def _mouth(image: np.ndarray, view: View, looks: Looks, face: dict[str, float]) -> None:
    smile, sneer, press = face["smile"], np.clip(face["sneer"], -0.3, 1.5), np.clip(face["press"], -0.3, 1.2)
    opened = 0.36 * np.clip(face["open"], 0, 1.4)
    width = looks.mouth_width * np.clip(1 + 0.25 * smile + 0.32 * face["stretch"], 0.6, 1.6)
    lip = looks.lip * np.clip(1 - 0.6 * press, 0.25, 1.2)
    x = width * _T
    middle = looks.mouth_y - 0.22 * smile * (1 - _ARCH) + 0.05 * smile - 0.05 * sneer
    top = middle - 0.30 * opened * _ARCH - 0.10 * sneer * np.abs(_T) ** 0.5 * _ARCH
    bottom = middle + 0.75 * opened * _ARCH + 0.02 * sneer * _ARCH
    upper = top - lip * _ARCH**0.7 * (1 + 0.35 * np.abs(_T) - 0.2 * (np.abs(_T) < 0.1))
    lower = bottom + 1.25 * lip * _ARCH**0.7
    fill(image, view, band(x, upper, lower), looks.lips)
    gap = opened + 0.10 * max(sneer, 0.0)
    if gap > 0.03:
        fill(image, view, band(x, top, bottom), np.array([38.0, 28.0, 62.0]))
        teeth = np.minimum(
            bottom, top + (0.05 + 0.06 * max(smile, 0.0) + 0.05 * max(face["stretch"], 0.0)) * _ARCH
        )
        fill(image, view, band(x * 0.86, top, teeth), _WHITE * 0.92)
    stroke(image, view, points(x, (top + bottom) / 2 if gap <= 0.03 else top), looks.lips * 0.4, 0.04)
    for side in (0, -1):
        stroke(
            image,
            view,
            np.array([(x[side], middle[side]), (x[side] * 1.06, middle[side] - 0.04 * smile)]),
            looks.skin * 0.5,
            0.03,
        )
    shadow = points(x[3:-3], lower[3:-3] + 0.05)
    stroke(image, view, shadow, looks.skin * 0.82, 0.03)


def _glasses(image: np.ndarray, view: View, looks: Looks) -> None:
    frame = blend(_DARK, looks.skin, 0.4)
    for side in (-1, 1):
        ring = ellipse(side * looks.eye_x, looks.eye_y + 0.03, 0.30, 0.22)
        stroke(image, view, np.concatenate([ring, ring[:1]]), frame, 0.03)
        stroke(
            image,
            view,
            np.array([(side * (looks.eye_x + 0.3), looks.eye_y), (side * 0.98, looks.eye_y - 0.04)]),
            frame,
            0.03,
        )
    stroke(
        image,
        view,
        np.array([(-looks.eye_x + 0.3, looks.eye_y + 0.01), (looks.eye_x - 0.3, looks.eye_y + 0.01)]),
        frame,
        0.03,
    )
