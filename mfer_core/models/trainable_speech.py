"""emotion2vec with blocks that learn together with an arm."""

import numpy as np
from torch import Tensor, nn

from mfer_core.base.settings import Finetune
from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.encoders.emotion2vec import Emotion2vecEncoder, load_emotion2vec
from mfer_core.encoders.waveform_augmentation import augment_waveform, crop_waveform
from mfer_core.models.finetuned import TrainableEncoder

load = load_emotion2vec


class Trainable(TrainableEncoder):
    """emotion2vec on waveforms: [B, N] samples."""

    encoder: Emotion2vecEncoder

    def __init__(self, encoder: Emotion2vecEncoder, settings: Finetune):
        super().__init__(encoder, settings)
        # The model keeps these from call to call; those made in inference mode could take no gradient.
        encoder.model.alibi_biases.clear()

    def prepare(self, raw: np.ndarray, rng: np.random.Generator | None) -> Tensor:
        if rng is not None and self.settings.augment:
            raw = augment_waveform(raw, rng)
        if rng is not None and self.settings.crop_s:
            raw = crop_waveform(raw, round(self.settings.crop_s * SAMPLE_RATE), rng)
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
