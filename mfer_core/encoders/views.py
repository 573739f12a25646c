"""Augmented views of a clip, for the embed stage to cache: training keeps augmentation without running the
encoders again.

Reference method, "Augmentation". A view follows from the clip's id and the view's number alone. All frames of
a clip share one draw: a face that is flipped, turned or darkened anew in every frame would move in a way that
no face does, and the GRU behind the encoder reads movement; a camera or a lamp is the same for a whole clip.
"""

import numpy as np

from mfer_core.base.files import digest

DTYPE = "float16"  # Its rounding is far below what augmentation changes, and it takes half the room.


def generator_of(clip_id: str, view: int) -> np.random.Generator:
    """The random numbers of one view: the same in every run, on every machine."""
    return np.random.default_rng(int(digest(clip_id, view), 16))
