"""Augmented views of a clip, for the embed stage to cache: training keeps augmentation without running the encoders again.

Reference method, "Augmentation". A view follows from the clip's id and the view's number alone. All frames of a clip share
one draw: a face that is flipped, turned or darkened anew in every frame would move in a way that no face does, and the GRU
behind the encoder reads movement; a camera or a lamp is the same for a whole clip.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from mfer_core.base.files import digest
from mfer_core.encoders.trivial_augment import draw_operation
from mfer_core.encoders.waveform_augmentation import augment_waveform, change_speed
from mfer_core.media.read import FrameSequence, Speech

DTYPE = (
    "float16"  # of cached views: rounding is far below what augmentation changes, and they take half the room
)
FLIP = AUTO_CONTRAST = 0.5
ERASED = 0.1  # share of clips that lose a rectangle
ERASED_AREA, ERASED_RATIO = (
    (0.02, 0.33),
    (0.3, 3.3),
)  # as in Zhong et al. 2017, https://arxiv.org/abs/1708.04896
GREY = 128  # the encoder's mean


def generator_of(clip_id: str, view: int) -> np.random.Generator:
    """The random numbers of one view: the same in every run, on every machine."""
    return np.random.default_rng(int(digest(clip_id, view), 16))


def frames_view(clip: FrameSequence, view: int) -> np.ndarray:
    """The clip's images, uint8 [T, H, W] or [T, H, W, 3], in view ``view``; view 0 is the clean one."""
    return augment_frames(clip.images, generator_of(clip.clip_id, view)) if view else clip.images


def waveform_view(clip: Speech, view: int, speed: float, speeds: Sequence[float] = ()) -> np.ndarray:
    """The clip's waveform, float32 [N], in view ``view``; its speed changes with probability ``speed``. View 0 is the clean one.

    With ``speeds`` the views play at these in turn instead, every clip of a view alike: each is a set of other voices, which
    small corpora lack most (Ko et al. 2015, 'Audio augmentation for speech recognition').
    """
    if not view:
        return clip.waveform
    generator = generator_of(clip.clip_id, view)
    if not speeds:
        return augment_waveform(clip.waveform, generator, speed)
    return augment_waveform(change_speed(clip.waveform, speeds[(view - 1) % len(speeds)]), generator, 0.0)


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
