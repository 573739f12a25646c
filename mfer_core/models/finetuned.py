"""An arm, or both, trained with the last blocks of the encoders: frames or waveforms in, logits out."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint

from mfer_core.base.errors import MferError
from mfer_core.base.modalities import MODALITIES
from mfer_core.base.settings import Finetune
from mfer_core.encoders.contract import Encoder, FaceEncoder, SpeechEncoder
from mfer_core.models.arm import Arm
from mfer_core.models.fusion import Fused

# Imported by name where an encoder learns, so that the keys of one modality's folds do not cover the other's
# code.
TRAINABLE_MODULES = {
    "visual": "mfer_core.models.trainable_faces",
    "audio": "mfer_core.models.trainable_speech",
}


class TrainableEncoder(nn.Module):
    """An encoder whose last blocks learn: right-padded raw input [B, N, ...] and lengths [B] to [B, T, D] and
    lengths [B]. The encoder is on the device that training takes.

    A clip's embeddings do not depend on its batch mates. Only what learns is a parameter of this module, so
    checkpoints and the model's file hold nothing else. The rest stays in evaluation mode; autograd records
    nothing below the first block that learns.
    """

    def __init__(self, encoder: FaceEncoder | SpeechEncoder, settings: Finetune):
        super().__init__()
        # The encoder is no module, so that its model is not a submodule here.
        self.encoder, self.settings = encoder, settings
        encoder.model.requires_grad_(False).eval()
        stack, rest = encoder.stack(), encoder.rest()
        if settings.blocks > len(stack):
            raise MferError(
                f"finetune.blocks is {settings.blocks}, but {encoder.metadata['name']} has {len(stack)} "
                "blocks (-1: all)"
            )
        blocks = stack[-settings.blocks :] if settings.blocks > 0 else stack
        learning = blocks if settings.blocks > 0 else [*rest, *blocks]
        for part in learning:
            part.requires_grad_(True)
        self.learning = [part for part in learning if isinstance(part, nn.Module)]
        self.weights = nn.ParameterDict(
            {
                name.replace(".", "/"): value
                for name, value in encoder.model.named_parameters()
                if value.requires_grad
            }
        )
        if settings.checkpointing:
            for block in blocks:
                block.forward = partial(checkpoint, block.forward, use_reentrant=False)

    def blocks(self) -> dict[str, Tensor]:
        """The weights that learn, by name in the encoder's own model."""
        return {name.replace("/", "."): value.detach().cpu().clone() for name, value in self.weights.items()}

    def train(self, mode: bool = True) -> "TrainableEncoder":
        for part in self.learning:
            part.train(mode)
        return super().train(mode)

    def forward(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of the clips present; a clip of length 0 has none and keeps the length 0."""
        present = [row[:length] for row, length in zip(values, lengths.tolist(), strict=True) if length]
        embeddings = iter(self.encoder.frames(present) if present else [])
        blank = torch.zeros(1, self.encoder.dim, device=values.device)
        rows = [next(embeddings).float() if length else blank for length in lengths.tolist()]
        counts = [len(row) if length else 0 for row, length in zip(rows, lengths.tolist(), strict=True)]
        return pad_sequence(rows, batch_first=True), torch.tensor(counts, device=values.device)

    def prepare(self, raw: np.ndarray, rng: np.random.Generator | None) -> Tensor:
        """One clip's input as ``forward`` takes it; with ``rng``, for training, maybe a part of it."""
        raise NotImplementedError


class FineTuned(nn.Module):
    """A model behind the encoders that learn with it; a modality without one comes as embeddings."""

    predict_batch = 8  # clips; the encoders need more memory than the arms

    def __init__(self, model: Arm | Fused, encoders: Mapping[str, TrainableEncoder]):
        super().__init__()
        self.model, self.encoders = model, nn.ModuleDict(encoders)
        self.order = MODALITIES if isinstance(model, Fused) else (model.config.modality,)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits [B, C]; ``inputs`` are values and lengths per modality."""
        embedded: list[Tensor] = []
        for name, values, lengths in zip(self.order, inputs[::2], inputs[1::2], strict=True):
            embedded += self.encoders[name](values, lengths) if name in self.encoders else (values, lengths)
        return self.model(*embedded)


def refuse_another(encoder: Encoder, trained_on: Mapping) -> None:
    """Raises MferError where ``encoder`` is not the one that a model was trained on (its metadata)."""
    if encoder.metadata["hash"] != trained_on["hash"]:
        raise MferError(
            f"the model was trained on {trained_on['name']} ({trained_on['hash']}); the encoder here is "
            f"{encoder.metadata['name']} ({encoder.metadata['hash']}): put that one in its place or train "
            "again"
        )


def put_blocks(encoder: Encoder, blocks: Mapping[str, Tensor], trained_on: Mapping) -> None:
    """Put blocks that were trained with a model into the encoder that they were taken from (``trained_on``:
    its metadata).

    Raises MferError when ``encoder`` is another one.
    """
    refuse_another(encoder, trained_on)
    weights = dict(encoder.model.named_parameters())
    if unknown := sorted(set(blocks) - set(weights)):
        raise MferError(
            f"{encoder.metadata['name']} has no weights named {', '.join(unknown[:3])}: the model's file is "
            "of another encoder"
        )
    with torch.no_grad():
        for name, value in blocks.items():
            weights[name].copy_(value)
