"""The still part of a face: background, shoulders, head, hair and their light. The moving part is in
features.py.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from demo.drawing import CIRCLE, View, blend, ellipse, fill
from demo.people import Looks

_OVERSAMPLE = 2


@dataclass(frozen=True)
class Scene:
    """What surrounds a face: two background colours (BGR, left and right), light from the side, furniture."""

    left: np.ndarray
    right: np.ndarray
    light: float  # -1 from the left .. 1 from the right
    furniture: bool


def studio(rng: np.random.Generator) -> Scene:
    """An evenly lit light wall, as where RAVDESS was recorded."""
    wall = 226.0 + rng.normal(0, 3) + rng.normal(0, 1.5, 3)
    return Scene(wall + 6, wall - 6, float(rng.normal(0, 0.15)), furniture=False)


def home(rng: np.random.Generator) -> Scene:
    """A room with a lamp on one side."""
    wall = np.array([120.0, 140.0, 158.0]) * rng.uniform(0.7, 1.2) + rng.normal(0, 9, 3)
    side = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.3, 0.6))
    return Scene(wall - 34 * side, wall + 34 * side, side, furniture=True)


def anywhere(rng: np.random.Generator) -> Scene:
    """Any background and light, as in faces found on the web."""
    left = rng.uniform(60.0, 235.0)
    return Scene(
        np.full(3, left),
        np.full(3, np.clip(left + rng.normal(0, 40), 5, 250)),
        float(rng.normal(0, 0.35)),
        rng.random() < 0.3,
    )


def paint(looks: Looks, scene: Scene, view: View, rng: np.random.Generator) -> np.ndarray:
    """The picture without brows, eyes and mouth: uint8 BGR [height, width, 3]."""
    large = view.zoomed(_OVERSAMPLE)
    image = _background(scene, large, rng)
    _body(image, looks, large)
    _head(image, looks, large)
    small = cv2.resize(image, (view.width, view.height), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.clip(small * _light(looks, scene, view)[..., None], 0, 255).astype(np.uint8)


def _background(scene: Scene, view: View, rng: np.random.Generator) -> np.ndarray:
    across = np.linspace(0, 1, view.width)[None, :, None]
    stripe = np.clip(scene.left * (1 - across) + scene.right * across, 0, 255).astype(np.uint8)
    image: np.ndarray = np.repeat(stripe, view.height, axis=0)
    if scene.furniture:
        for _ in range(4):
            x, y = int(rng.uniform(-0.1, 0.9) * view.width), int(rng.uniform(0, 0.8) * view.height)
            size = int(rng.uniform(0.08, 0.22) * view.width), int(rng.uniform(0.1, 0.5) * view.height)
            cv2.rectangle(
                image,
                (x, y),
                (x + size[0], y + size[1]),
                (rng.uniform(40, 190) + rng.normal(0, 18, 3)).tolist(),
                -1,
            )
        image = cv2.GaussianBlur(image, (0, 0), view.width / 90)
    return image


def _body(image: np.ndarray, looks: Looks, view: View) -> None:
    chin = looks.head_height
    if looks.hair_style == "long":
        fill(image, view, _squircle(1.12, 1.55, 0.3, 0.15), looks.hair * 0.8)
    if looks.hair_style == "bun":
        fill(image, view, ellipse(0, -chin - 0.18, 0.42, 0.34), looks.hair)
    shirt = np.array(
        [
            (-2.9, 5.0),
            (-2.5, chin + 0.95),
            (-1.3, chin + 0.5),
            (-0.6, chin + 0.3),
            (0.6, chin + 0.3),
            (1.3, chin + 0.5),
        ]
    )
    shirt = np.concatenate([shirt, [(2.5, chin + 0.95), (2.9, 5.0)]])
    fill(image, view, shirt, looks.shirt)
    neck = np.array(
        [(-0.52, 0.7), (-0.55, chin + 0.34), (0.0, chin + 0.62), (0.55, chin + 0.34), (0.52, 0.7)]
    )
    fill(image, view, neck, looks.skin * 0.80)


def _head(image: np.ndarray, looks: Looks, view: View) -> None:
    for side in (-1, 1):
        fill(image, view, ellipse(side * 1.0, looks.eye_y + 0.18, 0.13, 0.24), looks.skin * 0.88)
    outline = head_outline(looks)
    fill(image, view, outline, looks.skin)
    if looks.beard:
        jaw = outline[outline[:, 1] > 0.35]
        inner = np.array([(-0.8, 0.45), (-0.42, 0.54), (0, 0.52), (0.42, 0.54), (0.8, 0.45)])
        fill(image, view, np.concatenate([jaw, inner]), blend(looks.skin, looks.hair, 0.75 * looks.beard))
    if looks.hair_style == "bald":
        return
    fill(image, view, _hairline(looks), looks.hair)


def head_outline(looks: Looks) -> np.ndarray:
    """The head without hair and ears, as a polygon."""
    points = CIRCLE * (0.98, looks.head_height)
    below = np.clip(points[:, 1], 0, None) / looks.head_height
    points[:, 0] *= 1 + (0.45 * looks.jaw - 0.16) * below * (1 - below) * 1.6 - 0.06 * below
    return points


def _hairline(looks: Looks) -> np.ndarray:
    """Hair over the crown down to the forehead, whose line depends on the style."""
    angle = np.linspace(np.pi * 1.02, np.pi * 1.98, 24)
    side = {"long": 0.45, "short": -0.1, "side": 0.0, "bun": -0.1, "fringe": 0.5}[looks.hair_style]
    crown = np.stack([1.06 * np.cos(angle), (looks.head_height + 0.1) * np.sin(angle)], axis=1)
    line = {"fringe": -0.56, "side": -0.78}.get(looks.hair_style, -0.86)
    part = 0.35 if looks.hair_style == "side" else 0.0
    front = np.array(
        [
            (0.97, side),
            (0.88, -0.5),
            (0.55, line),
            (0.1 + part, line - 0.12),
            (-0.55, line - 0.02 + part * 0.3),
            (-0.88, -0.5),
            (-0.97, side),
        ]
    )
    return np.concatenate([crown, front])


def _squircle(rx: float, ry: float, y: float, square: float) -> np.ndarray:
    points = np.sign(CIRCLE) * np.abs(CIRCLE) ** (1 - square)
    return points * (rx, ry) + (0, y)


def _light(looks: Looks, scene: Scene, view: View) -> np.ndarray:
    """What the light makes of it: a float32 factor per pixel [height, width]."""
    y, x = np.mgrid[0 : view.height, 0 : view.width].astype(np.float32)
    x, y = (x - view.x) / view.scale, (y - view.y) / view.scale

    def spot(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        return np.exp(-(((x - cx) / rx) ** 2) - ((y - cy) / ry) ** 2)

    light = 1 + 0.28 * scene.light * np.tanh(x) * spot(0, 0.3, 2.2, 2.2)
    light -= 0.16 * spot(0, looks.head_height + 0.2, 0.9, 0.22)  # under the chin
    light += 0.09 * spot(0, -0.6, 0.6, 0.3)  # forehead
    light += 0.12 * spot(0, 0.2, 0.09, 0.3)  # bridge of the nose
    for side in (-1, 1):
        light -= 0.18 * spot(side * looks.eye_x, looks.eye_y - 0.04, 0.28, 0.14)  # eye sockets
        light += 0.08 * spot(side * 0.52, 0.28, 0.22, 0.2)  # cheeks
        light -= 0.08 * spot(side * 0.95, 0.4, 0.22, 0.8)  # turning away
    return light
