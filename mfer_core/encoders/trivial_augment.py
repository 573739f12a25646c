"""TrivialAugmentWide on Pillow: one operation, drawn evenly, at a strength drawn evenly (Müller & Hutter 2021).

Source: https://arxiv.org/abs/2103.10158, the wide search space of its appendix: 14 operations, 31 strengths.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

Change = Callable[[Image.Image], Image.Image]
BINS = 31
SHIFT = 32 / 224  # of the side: the paper's 32 pixels at the method's image size


def _affine(a: float, b: float, d: float, e: float, x: float = 0.0, y: float = 0.0) -> Change:
    """Pillow's affine transform; ``x`` and ``y`` are shares of the side. What comes in from outside is black."""
    return lambda image: image.transform(
        image.size, Image.Transform.AFFINE, (a, b, x * image.width, d, e, y * image.height)
    )


def _enhance(kind: type, strength: float) -> Change:
    return lambda image: kind(image).enhance(1 + 0.99 * strength)


# name -> what to do at a strength from -1 to 1; the last five know no sign, or no strength.
OPERATIONS: dict[str, Callable[[float], Change]] = {
    "shear_x": lambda strength: _affine(1, 0.99 * strength, 0, 1),
    "shear_y": lambda strength: _affine(1, 0, 0.99 * strength, 1),
    "translate_x": lambda strength: _affine(1, 0, 0, 1, x=SHIFT * strength),
    "translate_y": lambda strength: _affine(1, 0, 0, 1, y=SHIFT * strength),
    "rotate": lambda strength: lambda image: image.rotate(135 * strength),
    "brightness": lambda strength: _enhance(ImageEnhance.Brightness, strength),
    "colour": lambda strength: _enhance(ImageEnhance.Color, strength),
    "contrast": lambda strength: _enhance(ImageEnhance.Contrast, strength),
    "sharpness": lambda strength: _enhance(ImageEnhance.Sharpness, strength),
    "posterize": lambda strength: lambda image: ImageOps.posterize(image, 8 - round(6 * abs(strength))),
    "solarize": lambda strength: lambda image: ImageOps.solarize(image, round(256 * (1 - abs(strength)))),
    "auto_contrast": lambda strength: ImageOps.autocontrast,
    "equalize": lambda strength: ImageOps.equalize,
    "identity": lambda strength: lambda image: image,
}


def draw_operation(generator: np.random.Generator) -> Change:
    """One operation at one strength, to be applied to as many images as belong together."""
    name = list(OPERATIONS)[generator.integers(len(OPERATIONS))]
    strength = generator.integers(BINS) / (BINS - 1) * (1 if generator.random() < 0.5 else -1)
    return OPERATIONS[name](strength)
