"""What all face encoders share: images at the encoder's size, and batches that fit the memory."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch

from mfer_core.encoders.device import BATCH_GIB, in_halves, inference, items_within, to_device
from mfer_core.encoders.images import Preprocessing


class BatchedFaces(ABC):
    """An encoder of single face images."""

    preprocessing: Preprocessing
    device: torch.device
    precision: str

    @property
    @abstractmethod
    def dim(self) -> int:
        """D of the features."""

    @property
    @abstractmethod
    def frame_bytes(self) -> float:
        """Working memory of one frame in a batch."""

    @abstractmethod
    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """[N, D] of preprocessed images [N, 3, H, W]."""

    def embed(self, images: list[np.ndarray], batch_gib: float = BATCH_GIB) -> np.ndarray:
        """float32 [N, D]: the feature of each uint8 [H, W] or [H, W, 3] image, in batches of ``batch_gib``
        working memory.
        """
        if not images:
            return np.empty((0, self.dim), np.float32)
        return self.embed_prepared(self.prepare(images), batch_gib)

    def prepare(self, images: list[np.ndarray]) -> torch.Tensor:
        """uint8 [N, C, height, width] on the host: the images at the encoder's size."""
        return self.preprocessing.resize(images)

    def embed_prepared(
        self, images: torch.Tensor, batch_gib: float = BATCH_GIB, counts: Sequence[int] | None = None
    ) -> np.ndarray:
        """``embed`` of images that ``prepare`` returned, of clips of ``counts`` images. Returns when the
        device is done.
        """
        with inference(self.device, self.precision):
            parts: list[torch.Tensor] = []
            for batch in images.split(items_within(batch_gib, self.frame_bytes)):
                parts += in_halves(self._run, batch)
            return torch.cat(parts).cpu().numpy()

    def frames(self, images: list[torch.Tensor]) -> list[torch.Tensor]:
        """[T, D] per clip of prepared images [T, C, height, width]."""
        pixels = self.preprocessing.normalise(torch.cat(images))
        return list(self.features(pixels).split([len(clip) for clip in images]))

    def _run(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [self.features(self.preprocessing.normalise(to_device(images, self.device))).float()]
