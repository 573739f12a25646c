"""Augmented views of a clip's face crops (see views.py)."""

import numpy as np
from PIL import Image, ImageOps

from mfer_core.encoders.trivial_augment import draw_operation
from mfer_core.encoders.views import generator_of
from mfer_core.media.read import FrameSequence

FLIP = AUTO_CONTRAST = 0.5
# A rectangle's share of clips, of the image's area, and its sides' ratio: Zhong et al. 2017, https://arxiv.org/abs/1708.04896
ERASED, ERASED_AREA, ERASED_RATIO = 0.1, (0.02, 0.33), (0.3, 3.3)
GREY = 128  # the encoder's mean


def frames_view(clip: FrameSequence, view: int) -> np.ndarray:
    """The clip's images, uint8 [T, H, W] or [T, H, W, 3], in view ``view``; view 0 is the clean one."""
    return augment_frames(clip.images, generator_of(clip.clip_id, view)) if view else clip.images


def augment_frames(images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Flip, auto-contrast, TrivialAugmentWide and random erasing, drawn once for all images of uint8 [T, H, W] or [T, H, W, 3]."""
    changes = [ImageOps.mirror] if generator.random() < FLIP else []
    changes += [ImageOps.autocontrast] if generator.random() < AUTO_CONTRAST else []
    changes.append(draw_operation(generator))
    changed = []
    for image in map(Image.fromarray, images):
        for change in changes:
            image = change(image)
        changed.append(np.asarray(image))
    result = np.stack(changed)
    if generator.random() < ERASED:
        result[_rectangle(*images.shape[1:3], generator)] = GREY
    return result


def _rectangle(height: int, width: int, generator: np.random.Generator) -> tuple[slice, slice, slice]:
    """Where all frames are erased."""
    area = generator.uniform(*ERASED_AREA) * height * width
    ratio = np.exp(generator.uniform(*np.log(ERASED_RATIO)))
    rows, columns = min(height, round((area * ratio) ** 0.5)), min(width, round((area / ratio) ** 0.5))
    top, left = generator.integers(height - rows + 1), generator.integers(width - columns + 1)
    return slice(None), slice(top, top + rows), slice(left, left + columns)
