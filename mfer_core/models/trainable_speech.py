"""A speech encoder with blocks that learn together with an arm."""

import numpy as np
from torch import Tensor

from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.encoders.contract import SpeechEncoder
from mfer_core.encoders.speech import load_speech
from mfer_core.encoders.waveform_augmentation import augment_waveform, crop_waveform
from mfer_core.models.finetuned import TrainableEncoder

load = load_speech


def augment(raw: np.ndarray, rng: np.random.Generator, speed: float) -> np.ndarray:
    """A clip's waveform in a new view, faster or slower with probability ``speed``."""
    return augment_waveform(raw, rng, speed)


class Trainable(TrainableEncoder):
    """Waveforms: [B, N] samples, or [B, N, F] spectra, as the encoder prepares them."""

    encoder: SpeechEncoder

    def prepare(self, raw: np.ndarray, rng: np.random.Generator | None) -> Tensor:
        if rng is not None and self.settings.crop_s:
            raw = crop_waveform(raw, round(self.settings.crop_s * SAMPLE_RATE), rng)
        return self.encoder.prepare(raw)
