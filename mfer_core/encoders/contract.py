"""What encoders of either modality have in common: what training with them relies on."""

from typing import Any, Protocol

import torch


class Encoder(Protocol):
    """A model in evaluation mode with the preprocessing of its checkpoint."""

    model: torch.nn.Module
    metadata: dict  # name, revision, hash of the checkpoint
    device: torch.device

    @property
    def dim(self) -> int:
        """D of the embeddings."""

    def embed(self, inputs: list) -> Any:
        """Embeddings of frames (one array [N, D]) or of waveforms (a list of [T, D])."""
