"""Augmented views of a clip's speech (see views.py)."""

from collections.abc import Sequence

import numpy as np

from mfer_core.encoders.views import generator_of
from mfer_core.encoders.waveform_augmentation import augment_waveform, change_speed
from mfer_core.media.read import Speech


def waveform_view(clip: Speech, view: int, speed: float, speeds: Sequence[float] = ()) -> np.ndarray:
    """The clip's waveform, float32 [N], in view ``view``; its speed changes with probability ``speed``. View
    0 is the clean one.

    With ``speeds`` the views play at these in turn instead, every clip of a view alike: each is a set of
    other voices, which small corpora lack most (Ko et al. 2015, 'Audio augmentation for speech recognition').
    """
    if not view:
        return clip.waveform
    generator = generator_of(clip.clip_id, view)
    if not speeds:
        return augment_waveform(clip.waveform, generator, speed)
    return augment_waveform(change_speed(clip.waveform, speeds[(view - 1) % len(speeds)]), generator, 0.0)
