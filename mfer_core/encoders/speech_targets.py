"""What a frame of speech sounds like, for the compact Emotion2vec to learn beside the emotion of the whole
clip.

emotion2vec learns from two losses, one of the utterance and one of its frames (Ma et al. 2023, section 3.2);
its frame targets come from a teacher that needs hundreds of hours. Here a frame's own spectrum, how that
changes, and its pitch stand in: from minutes of speech they teach frames that tell one voice quality from
another.
"""

import numpy as np
import torch
from torch import Tensor
from torchaudio.functional import compute_deltas
from torchaudio.transforms import MelSpectrogram

from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.encoders.emotion2vec_config import frame_count
from mfer_core.encoders.speech_filters import FILTER_LAYERS, STEP, WINDOW
from mfer_core.media.pitch import PITCH_FRAME, pitch

MELS = 40
SIZE = 2 * MELS + 1


class FrameTargets:
    """waveform [N] -> [T, SIZE], a row per frame of the encoder: log mel spectrum, its slope, log pitch."""

    def __init__(self) -> None:
        self.spectrum = MelSpectrogram(
            SAMPLE_RATE, WINDOW, hop_length=STEP, n_mels=MELS, f_min=60, f_max=7600, center=False
        )

    def __call__(self, waveform: np.ndarray) -> Tensor:
        padded = np.pad(waveform, (0, max(0, PITCH_FRAME - len(waveform))))
        frames = frame_count(max(WINDOW, len(waveform)), FILTER_LAYERS)
        mel = torch.log(self.spectrum(torch.from_numpy(padded)) + 1e-6)[:, :frames]  # [MELS, T]
        heard = torch.from_numpy(np.log(pitch(padded)))[:frames]
        # The targets' frames are longer than the encoder's, so there are fewer.
        heard = torch.nn.functional.pad(heard, (0, frames - len(heard)), value=float(heard[-1]))
        return torch.cat([mel, compute_deltas(mel), heard[None]]).T
