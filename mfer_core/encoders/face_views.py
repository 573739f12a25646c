"""Augmented views of a clip's face crops (see views.py)."""

from threading import Lock

import numpy as np
import torch
from torchvision.transforms.v2 import TrivialAugmentWide
from torchvision.transforms.v2.functional import autocontrast, horizontal_flip

from mfer_core.encoders.views import generator_of
from mfer_core.media.read import FrameSequence

FLIP = AUTO_CONTRAST = 0.5
# A rectangle's share of clips, of the image's area, and its sides' ratio: Zhong et al. 2017,
# https://arxiv.org/abs/1708.04896
ERASED, ERASED_AREA, ERASED_RATIO = 0.1, (0.02, 0.33), (0.3, 3.3)
GREY = 128  # Grey is the encoder's mean.
RANDOM_STATE = Lock()  # torch's generator is one for all threads


def frames_view(clip: FrameSequence, view: int) -> np.ndarray:
    """The clip's images, uint8 [T, H, W] or [T, H, W, 3], in view ``view``; view 0 is the clean one."""
    return augment_frames(clip.images, generator_of(clip.clip_id, view)) if view else clip.images


def augment_frames(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Flip, auto-contrast, TrivialAugmentWide and random erasing, drawn once for all images of uint8 [T, H,
    W] or [T, H, W, 3].
    """
    gray = images.ndim == 3
    pixels = torch.from_numpy(images[:, None] if gray else images.transpose(0, 3, 1, 2))  # [T, C, H, W]
    pixels = horizontal_flip(pixels) if generator.random() < FLIP else pixels
    pixels = autocontrast(pixels) if generator.random() < AUTO_CONTRAST else pixels
    changed = trivial_augment(pixels, int(generator.integers(2**31))).numpy()
    result = np.array(changed[:, 0] if gray else changed.transpose(0, 2, 3, 1), order="C")
    if generator.random() < ERASED:
        height, width = images.shape[1:3]
        result[_rectangle(height, width, generator)] = GREY
    return result


def trivial_augment(pixels: torch.Tensor, seed: int) -> torch.Tensor:
    """TrivialAugmentWide (Müller & Hutter 2021, https://arxiv.org/abs/2103.10158): one operation at one
    strength for all images.

    torchvision draws from torch's own generator on the CPU, which is put back to where it was.
    """
    with RANDOM_STATE, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return TrivialAugmentWide()(pixels)


def _rectangle(height: int, width: int, generator: np.random.Generator) -> tuple[slice, slice, slice]:
    """The rectangle that is erased in all frames of a clip, as an index of [T, H, W]."""
    area = generator.uniform(*ERASED_AREA) * height * width
    ratio = np.exp(generator.uniform(*np.log(ERASED_RATIO)))
    rows, columns = min(height, round((area * ratio) ** 0.5)), min(width, round((area / ratio) ** 0.5))
    top, left = generator.integers(height - rows + 1), generator.integers(width - columns + 1)
    return slice(None), slice(top, top + rows), slice(left, left + columns)
