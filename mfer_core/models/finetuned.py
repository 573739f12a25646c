"""An arm, or both, trained together with the last blocks of the encoders: frames or waveforms in, logits out."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint

from mfer_core.base.errors import MferError
from mfer_core.base.settings import Finetune
from mfer_core.encoders.views import augment_frames
from mfer_core.encoders.waveform_augmentation import RATE, augment_waveform, crop_waveform
from mfer_core.models.arm import Arm
from mfer_core.models.fusion import Fused

if TYPE_CHECKING:  # they bring FunASR's and transformers' models, which most folds do not need
    from mfer_core.encoders.emotion2vec import Emotion2vecEncoder
    from mfer_core.encoders.vit import VitEncoder

MODALITIES = ("visual", "audio")  # the order of the fused model's inputs


class TrainableEncoder(nn.Module):
    """An encoder whose last blocks learn: right-padded raw input [B, N, ...] and lengths [B] to [B, T, D] and lengths [B].

    A clip's embeddings do not depend on its batch mates. Only what learns is a parameter of this module, so checkpoints
    and the model's file hold nothing else. The rest stays in evaluation mode; autograd records nothing below the first
    block that learns.
    """

    def __init__(self, encoder: "VitEncoder | Emotion2vecEncoder", settings: Finetune):
        super().__init__()
        self.encoder, self.settings = (
            encoder,
            settings,
        )  # the encoder is no module, so its model is not a submodule here
        encoder.model.requires_grad_(False).eval()
        stack, rest = self._stack(), self._rest()
        if settings.blocks > len(stack):
            raise MferError(
                f"finetune.blocks is {settings.blocks}, but {encoder.metadata['name']} has {len(stack)} blocks (-1: all)"
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
        """What learns, by its name in the encoder's own model."""
        return {name.replace("/", "."): value.detach().cpu().clone() for name, value in self.weights.items()}

    def train(self, mode: bool = True) -> "TrainableEncoder":
        for part in self.learning:
            part.train(mode)
        return super().train(mode)

    def _apply(self, function, recurse: bool = True) -> "TrainableEncoder":
        self.encoder.model._apply(function)  # the frozen part moves with the rest
        return super()._apply(function, recurse)

    def forward(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of the clips present; a clip of length 0 has none and keeps the length 0."""
        present = [row[:length] for row, length in zip(values, lengths.tolist(), strict=True) if length]
        found = iter(self._embed(present) if present else [])
        blank = torch.zeros(1, self.encoder.dim, device=values.device)
        rows = [next(found).float() if length else blank for length in lengths.tolist()]
        counts = [len(row) if length else 0 for row, length in zip(rows, lengths.tolist(), strict=True)]
        return pad_sequence(rows, batch_first=True), torch.tensor(counts, device=values.device)

    def prepare(self, raw: np.ndarray, rng: np.random.Generator | None) -> Tensor:
        """One clip's input as ``forward`` takes it; with ``rng`` augmented, for training."""
        raise NotImplementedError

    def _stack(self) -> list[nn.Module]:
        """The encoder's blocks, first to last."""
        raise NotImplementedError

    def _rest(self) -> list[nn.Module | nn.Parameter]:
        """What else lies behind the convolutional front end and learns where all blocks do."""
        raise NotImplementedError

    def _embed(self, present: list[Tensor]) -> list[Tensor]:
        raise NotImplementedError


class TrainableSpeech(TrainableEncoder):
    """emotion2vec on waveforms: [B, N] samples."""

    def __init__(self, encoder: "Emotion2vecEncoder", settings: Finetune):
        super().__init__(encoder, settings)
        encoder.model.alibi_biases.clear()  # kept from call to call; made in inference mode they could take no gradient

    def prepare(self, raw: np.ndarray, rng: np.random.Generator | None) -> Tensor:
        if rng is not None and self.settings.augment:
            raw = augment_waveform(raw, rng)
        if rng is not None and self.settings.crop_s:
            raw = crop_waveform(raw, round(self.settings.crop_s * RATE), rng)
        return self.encoder.prepare(raw)

    def _stack(self) -> list[nn.Module]:
        model = self.encoder.model
        return [*model.modality_encoders["AUDIO"].context_encoder.blocks, *model.blocks]

    def _rest(self) -> list[nn.Module | nn.Parameter]:
        audio, last = self.encoder.model.modality_encoders["AUDIO"], self.encoder.model.norm
        first = [
            audio.project_features,
            audio.relative_positional_encoder,
            audio.extra_tokens,
            audio.alibi_scale,
            audio.context_encoder,
        ]
        return [part for part in (*first, last) if part is not None]

    def _embed(self, present: list[Tensor]) -> list[Tensor]:
        return self.encoder.batches(present)


class TrainableFaces(TrainableEncoder):
    """ViT on frames: [B, T, C, H, W] bytes of the encoder's image size."""

    def prepare(self, raw: np.ndarray, rng: np.random.Generator | None) -> Tensor:
        if rng is not None and self.settings.augment:
            raw = augment_frames(raw, rng)
        return self.encoder.preprocessing.resize(list(raw))

    def _stack(self) -> list[nn.Module]:
        return list(self.encoder.model.vit.layers)

    def _rest(self) -> list[nn.Module | nn.Parameter]:
        vit = self.encoder.model.vit
        return [vit.embeddings.cls_token, vit.embeddings.position_embeddings, vit.layernorm]

    def _embed(self, present: list[Tensor]) -> list[Tensor]:
        pixels = self.encoder.preprocessing.normalise(torch.cat(present))
        return list(self.encoder.features(pixels).split([len(clip) for clip in present]))


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


TRAINABLE = {"visual": TrainableFaces, "audio": TrainableSpeech}


def put_blocks(
    encoder: "VitEncoder | Emotion2vecEncoder", blocks: Mapping[str, Tensor], trained_on: Mapping
) -> None:
    """Put blocks that were trained with a model into the encoder that they were taken from (``trained_on``: its metadata).

    Raises MferError when ``encoder`` is another one.
    """
    if encoder.metadata["hash"] != trained_on["hash"]:
        raise MferError(
            f"the model was trained with blocks of {trained_on['name']} ({trained_on['hash']}); the encoder here is "
            f"{encoder.metadata['name']} ({encoder.metadata['hash']}): put that one in its place or train again"
        )
    own = dict(encoder.model.named_parameters())
    if unknown := sorted(set(blocks) - set(own)):
        raise MferError(
            f"{encoder.metadata['name']} has no weights named {', '.join(unknown[:3])}: the model's file is of another encoder"
        )
    with torch.no_grad():
        for name, value in blocks.items():
            own[name].copy_(value)
