"""Preprocessing of face images as a Hugging Face image processor does it, from its preprocessor_config.json.

The arithmetic is that of transformers' ViTImageProcessor (PIL backend): resize each image with Pillow,
rescale, normalise; here the last two run in torch on the encoder's device.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json

FILE = "preprocessor_config.json"


@dataclass(frozen=True)
class Preprocessing:
    """Size in pixels, Pillow's resampling filter, and value = (byte * scale - mean) / std per channel."""

    height: int
    width: int
    resample: int
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

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
        if image.shape[:2] == (self.height, self.width):
            return image
        return np.asarray(
            Image.fromarray(image).resize((self.width, self.height), resample=Image.Resampling(self.resample))
        )

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """float32 [N, 3, H, W] of uint8 [N, 1 or 3, H, W] on the same device."""
        mean, std = (
            torch.tensor(values, device=images.device).view(1, -1, 1, 1) for values in (self.mean, self.std)
        )
        return (images.expand(-1, 3, -1, -1).float() * self.scale - mean) / std


def read_preprocessing(folder: Path) -> Preprocessing:
    """Read ``preprocessor_config.json``. Raises MferError when it is missing or asks for what is not
    supported.
    """
    config = read_json(folder / FILE)
    size = config.get("size", 224)
    size = {"height": size, "width": size} if isinstance(size, int) else size
    if (
        not {"height", "width"} <= size.keys()
        or not config.get("do_resize", True)
        or config.get("do_center_crop", False)
    ):
        raise MferError(
            f"{folder / FILE}: only resizing to a height and width is supported, found size {size}"
        )
    scale = config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1.0
    normalise = config.get("do_normalize", True)
    mean, std = (
        tuple(config.get(name, [0.5] * 3)) if normalise else (base,) * 3
        for name, base in (("image_mean", 0.0), ("image_std", 1.0))
    )
    return Preprocessing(
        int(size["height"]), int(size["width"]), int(config.get("resample", 2)), float(scale), mean, std
    )
