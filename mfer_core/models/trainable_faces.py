"""A face encoder with blocks that learn together with an arm."""

import numpy as np
from torch import Tensor

from mfer_core.encoders.contract import FaceEncoder
from mfer_core.encoders.face_views import augment_frames
from mfer_core.encoders.faces import load_faces
from mfer_core.models.finetuned import TrainableEncoder

load = load_faces


def augment(raw: np.ndarray, rng: np.random.Generator, speed: float) -> np.ndarray:
    """A clip's frames in a new view; ``speed`` is of sound."""
    return augment_frames(raw, rng)


class Trainable(TrainableEncoder):
    """Frames: [B, T, C, H, W] bytes of the encoder's image size."""

    encoder: FaceEncoder

    def prepare(self, raw: np.ndarray, rng: np.random.Generator | None) -> Tensor:
        return self.encoder.prepare(list(raw))
