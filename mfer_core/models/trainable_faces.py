"""ViT with blocks that learn together with an arm."""

import numpy as np
import torch
from torch import Tensor, nn

from mfer_core.encoders.face_views import augment_frames
from mfer_core.encoders.vit import VitEncoder, load_vit
from mfer_core.models.finetuned import TrainableEncoder

load = load_vit


class Trainable(TrainableEncoder):
    """ViT on frames: [B, T, C, H, W] bytes of the encoder's image size."""

    encoder: VitEncoder

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
