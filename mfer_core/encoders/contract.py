"""The interfaces of the encoders of both modalities, on which embedding, training and prediction rely."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from mfer_core.cache.heads import Head
from mfer_core.encoders.device import BATCH_GIB


class Encoder(Protocol):
    """A model in evaluation mode with the preprocessing of its checkpoint."""

    metadata: dict  # name, revision, hash of the checkpoint
    device: torch.device

    @property
    def model(self) -> torch.nn.Module:
        """The network, on ``device``."""

    @property
    def dim(self) -> int:
        """D of the embeddings."""

    def embed(self, inputs: list, batch_gib: float = BATCH_GIB) -> Any:
        """Embeddings of frames (one array [N, D]) or of waveforms (a list of [T, D])."""

    def head(self) -> Head | None:
        """The checkpoint's own classifier of embeddings, None where it has none."""

    def stack(self) -> list[torch.nn.Module]:
        """The transformer blocks, first to last."""

    def rest(self) -> list[torch.nn.Module | torch.nn.Parameter]:
        """Parts outside the blocks, behind the convolutional front end, that learn where all blocks learn."""


class FaceEncoder(Encoder, Protocol):
    """An encoder of face images."""

    def prepare(self, images: list[np.ndarray]) -> torch.Tensor:
        """uint8 [N, C, height, width] on the host: the images at the encoder's size."""

    def embed_prepared(
        self, images: torch.Tensor, batch_gib: float = BATCH_GIB, counts: Sequence[int] | None = None
    ) -> np.ndarray:
        """``embed`` of images that ``prepare`` returned; ``counts``: of how many each clip is. An encoder of
        videos looks at those of one clip together (without ``counts``: at all of them).
        """

    def frames(self, images: list[torch.Tensor]) -> list[torch.Tensor]:
        """[T, D] per clip of prepared images [T, C, height, width], with gradients where they are wanted."""


class SpeechEncoder(Encoder, Protocol):
    """An encoder of mono 16 kHz speech."""

    def prepare(self, waveform: np.ndarray) -> torch.Tensor:
        """float32 samples or spectra of one clip as the model takes them. Raises ClipError for no sample."""

    def embed_prepared(self, prepared: list[torch.Tensor], batch_gib: float = BATCH_GIB) -> list[np.ndarray]:
        """``embed`` of clips that ``prepare`` returned."""

    def frames(self, prepared: list[torch.Tensor]) -> list[torch.Tensor]:
        """[T, D] per prepared clip, with gradients where they are wanted; no clip depends on another one."""

    def centres(self, frames: int) -> np.ndarray:
        """The sample position of the centre of each of the first ``frames`` frames."""
