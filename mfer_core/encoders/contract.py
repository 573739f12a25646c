"""The interface of the encoders of both modalities, on which training relies."""

from typing import Any, Protocol

import torch


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

    def embed(self, inputs: list) -> Any:
        """Embeddings of frames (one array [N, D]) or of waveforms (a list of [T, D])."""
