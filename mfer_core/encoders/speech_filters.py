"""The first layer of the compact Emotion2vec: a fixed short-time Fourier front end, in the form of a
convolution.

Seven learned convolutions on raw samples need thousands of hours; from minutes of speech they learn little.
One convolution with the published receptive field and step (400 and 320 samples) whose filters are windowed
sinusoids gives the layers behind it what a spectrogram gives. Each frequency has four phases, because the
activation behind the convolution keeps one sign: together the four show the magnitude.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.encoders.emotion2vec_config import Layers

if TYPE_CHECKING:
    from funasr.models.emotion2vec.model import Emotion2vec

WINDOW, STEP = 400, 320  # samples: 25 ms every 20 ms
HARMONICS = np.linspace(60, 1200, 30)  # Hz: pitch and its harmonics
FORMANTS = np.geomspace(1280, 7500, 18)  # Hz
FREQUENCIES = np.concatenate([HARMONICS, FORMANTS])
EMPHASIS_HZ = 300  # above it a filter's gain grows with its frequency, as speech falls off
# Layer normalisation follows the filters and adds 1e-5 to the variance. At this gain loud frames lie above
# that and pauses below, so that loudness survives it. A second normalisation follows the activation: channels
# whose filters are zero and whose value is CONSTANT give it a level that does not change with the loudness of
# the others.
GAIN = 0.1
SILENT = 32  # channels whose filters are zero
CONSTANT = 3.0
FILTER_LAYERS: Layers = [(4 * len(FREQUENCIES) + SILENT, WINDOW, STEP)]


def speech_filters() -> torch.Tensor:
    """float32 [4 * frequencies + SILENT, 1, WINDOW]: Hann-windowed cosines at phases 0, 90, 180, 270 degrees,
    then zeros.
    """
    time = np.arange(WINDOW) / SAMPLE_RATE
    window = np.hanning(WINDOW)
    phases = np.arange(4) * math.pi / 2
    waves = (
        np.cos(2 * math.pi * FREQUENCIES[:, None, None] * time + phases[:, None]) * window
    )  # [frequency, phase, sample]
    waves -= waves.mean(-1, keepdims=True)
    gain = GAIN * np.maximum(0.5, FREQUENCIES / EMPHASIS_HZ) / (window.sum() / 2)
    filters = (waves * gain[:, None, None]).reshape(-1, 1, WINDOW)
    return torch.from_numpy(np.concatenate([filters, np.zeros((SILENT, 1, WINDOW))])).float()


def install_filters(model: "Emotion2vec") -> None:
    """Set the front end of an Emotion2vec built with FILTER_LAYERS; its filters are frozen."""
    front = model.modality_encoders["AUDIO"].local_encoder.conv_layers[0]
    norm = next(module for module in front.modules() if isinstance(module, torch.nn.LayerNorm))
    with torch.no_grad():
        front[0].weight.copy_(speech_filters())
        norm.weight.fill_(CONSTANT)
        norm.bias[-SILENT:] = CONSTANT
    front[0].weight.requires_grad_(False)
