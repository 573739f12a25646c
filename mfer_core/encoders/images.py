"""Preprocessing of face images as a Hugging Face image processor does it, from its preprocessor_config.json.

The arithmetic is that of transformers' image processors (PIL backend): resize each image with Pillow, cut
out its middle where the processor says so, rescale, normalise; here the last two run in torch on the
encoder's device.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mfer_core.base.errors import MferError, one_line
from mfer_core.base.files import DAMAGED, read_object

FILE = "preprocessor_config.json"
LARGEST = 4096  # pixels of a side


@dataclass(frozen=True)
class Preprocessing:
    """Size in pixels, Pillow's resampling filter, and value = (byte * scale - mean) / std per channel."""

    height: int
    width: int
    resample: int
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    # The shorter side is resized to this and the middle is cut out; None: the image is resized to the size.
    shortest: int | None = None

    def resize(self, images: list[np.ndarray]) -> torch.Tensor:
        """uint8 [N, C, height, width] of [H, W] or [H, W, 3] uint8 images; C is 1 when all are [H, W]."""
        arrays = [self._resize_one(image) for image in images]
        if any(array.ndim == 3 for array in arrays):
            arrays = [
                array if array.ndim == 3 else np.repeat(array[:, :, None], 3, axis=2) for array in arrays
            ]
            return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
        return torch.from_numpy(np.stack(arrays))[:, None]

    def _resize_one(self, image: np.ndarray) -> np.ndarray:
        height, width = self._resized(*image.shape[:2])
        if image.shape[:2] != (height, width):
            resample = Image.Resampling(self.resample)
            image = np.asarray(Image.fromarray(image).resize((width, height), resample=resample))
        top, left = (height - self.height) // 2, (width - self.width) // 2
        return image[top : top + self.height, left : left + self.width]

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        """The size of an image before its middle is cut out."""
        if self.shortest is None:
            return self.height, self.width
        longest = int(self.shortest * max(height, width) / min(height, width))
        return (longest, self.shortest) if height > width else (self.shortest, longest)

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """float32 [N, 3, H, W] of uint8 [N, 1 or 3, H, W] on the same device."""
        mean, std = (
            torch.tensor(values, device=images.device).view(1, -1, 1, 1) for values in (self.mean, self.std)
        )
        return (images.expand(-1, 3, -1, -1).float() * self.scale - mean) / std


def read_preprocessing(folder: Path) -> Preprocessing:
    """Read a ViT's ``preprocessor_config.json``. Raises MferError when it is missing or asks for what is not
    supported.
    """
    return parse_preprocessing(read_object(folder / FILE), folder / FILE)


def parse_preprocessing(config: dict, path: Path) -> Preprocessing:
    """The preprocessing of an image processor's settings (``path``: where they are). Raises MferError for one
    that is not supported, or damaged.
    """
    try:
        preprocessing = _parse(config, path)
        checks = {
            "size": min(preprocessing.height, preprocessing.width) > 0,
            "largest size": max(preprocessing.height, preprocessing.width) <= LARGEST,
            "shortest_edge": (preprocessing.shortest or 0) <= LARGEST,
            "image_mean and image_std": _three(preprocessing.mean) and _three(preprocessing.std),
            "image_std": all(preprocessing.std),
            "rescale_factor": math.isfinite(preprocessing.scale),
            "resample": preprocessing.resample in {*Image.Resampling},
        }
    except DAMAGED as error:
        raise MferError(f"{path} is damaged: {one_line(error)}") from error
    if wrong := [name for name, holds in checks.items() if not holds]:
        raise MferError(f"{path}: {wrong[0]} is out of range, in {one_line(config)}")
    return preprocessing


def _three(values: tuple[float, ...]) -> bool:
    """Whether these are numbers for three channels."""
    return len(values) == 3 and all(math.isfinite(value) for value in values)


def _parse(config: dict, path: Path) -> Preprocessing:
    size = config.get("size", 224)
    size = {"height": size, "width": size} if isinstance(size, int) else size
    crop = config.get("crop_size") if config.get("do_center_crop") else None
    crop = {"height": crop, "width": crop} if isinstance(crop, int) else crop
    shortest = size.get("shortest_edge")
    if shortest and config.get("crop_pct"):  # ConvNeXt cuts the middle out of small images only.
        crop = {"height": shortest, "width": shortest}
        shortest = int(shortest / config["crop_pct"]) if shortest < 384 else None
    elif not shortest and crop == {name: size.get(name) for name in ("height", "width")}:
        crop = None
    final = crop or size
    sized = {"height", "width"} <= final.keys() and bool(shortest) == bool(crop and shortest)
    fits = not shortest or shortest >= max(final.get("height", 0), final.get("width", 0))
    if not (config.get("do_resize", True) and sized and fits):
        raise MferError(
            f"{path}: an image is resized to a height and width, or by its shorter side and cut to a height "
            f"and width that fit; found size {size}, crop {crop}"
        )
    scale = config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1.0
    normalise = config.get("do_normalize", True)
    mean, std = (
        tuple(config.get(name, [0.5] * 3)) if normalise else (base,) * 3
        for name, base in (("image_mean", 0.0), ("image_std", 1.0))
    )
    resample = int(config.get("resample", 2))
    return Preprocessing(
        int(final["height"]), int(final["width"]), resample, float(scale), mean, std, shortest
    )
