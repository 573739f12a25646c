"""Synthetic faces in FER-2013's layout: 48x48 grey pictures in one csv, identities kept within one Usage."""

from collections.abc import Iterator

import cv2
import numpy as np

from demo import features, portrait
from demo.drawing import View
from demo.emotions import FACE_AXES, clip_strength, express
from demo.people import Person, person
from demo.seeds import generator

SIDE = 48  # pixels

CODES = {"angry": 0, "disgust": 1, "fearful": 2, "happy": 3, "sad": 4, "surprised": 5, "neutral": 6}
# The parts of ten identities; the order lets even three identities fill all parts.
USAGES = ("Training", "PublicTest", "PrivateTest", *["Training"] * 7)
_CANVAS = View(128, 128, 64.0, 60.0, 40.0)
_SITTING = 5  # faces that share a background and a light
# What a face detector's box with its margin shows, in face units: half its side, and its middle.
_BOX = 1.5
_BOX_Y = 0.11


def csv_lines(number: int, count: int, seed: int) -> str:
    """``count`` rows of identity ``number``."""
    usage = USAGES[number % len(USAGES)]
    return "".join(
        f"{code},{' '.join(map(str, face.ravel()))},{usage}\n"
        for code, face in identity_faces(number, count, seed)
    )


def identity_faces(number: int, count: int, seed: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (code, uint8 [48, 48]) of identity ``number``, the emotions in shuffled rounds."""
    cv2.setNumThreads(1)
    who = person(seed, "fer2013", str(number), ("male", "female")[number % 2])
    names = list(CODES)
    for index in range(count):
        if index % _SITTING == 0:
            setting = generator(seed, "fer2013", number, "sitting", index)
            still = portrait.paint(who.looks, portrait.anywhere(setting), _CANVAS, setting)
        round_number, position = divmod(index, len(names))
        label = names[
            generator(seed, "fer2013", number, "round", round_number).permutation(len(names))[position]
        ]
        yield CODES[label], _face(who, label, still, generator(seed, "fer2013", number, index))


def _face(who: Person, label: str, still: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One snapshot, somewhere between rest and apex and maybe in the middle of a word."""
    apex = express(who.face, label, clip_strength("strong", rng), rng)
    axes = dict(zip(FACE_AXES, who.face.rest + rng.uniform(0.75, 1) * (apex - who.face.rest), strict=True))
    axes["open"] = max(axes["open"], 0) * 0.75 + (0.45 * rng.uniform(0, 0.9) if rng.random() < 0.35 else 0)
    image = still.copy()
    pose = features.Pose(
        0.4 * rng.normal(),
        0.2 * rng.normal() + 0.9 * axes["nod"],
        float(rng.random() < 0.04),
        0.15 * rng.normal(),
    )
    features.draw(image, _CANVAS, who.looks, axes, pose)
    return _develop(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), rng)


def _develop(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut the face out, a little askew, with a camera's contrast, blur and noise."""
    scale = SIDE / (2 * _BOX * _CANVAS.scale) * np.exp(rng.normal(0, 0.05))
    middle = _CANVAS.x, _CANVAS.y + _BOX_Y * _CANVAS.scale
    matrix = np.asarray(cv2.getRotationMatrix2D(middle, float(rng.normal(0, 3)), float(scale)), np.float64)
    matrix[:, 2] += SIDE / 2 - np.array(middle) + rng.normal(0, 1.0, 2)
    small = cv2.warpAffine(
        cv2.GaussianBlur(grey, (0, 0), 0.8),
        matrix,
        (SIDE, SIDE),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    small = (
        (small - 128.0) * np.exp(rng.normal(0, 0.1))
        + 128
        + rng.normal(0, 8)
        + rng.normal(0, 2.5, small.shape)
    )
    return np.clip(np.round(small), 0, 255).astype(np.uint8)
