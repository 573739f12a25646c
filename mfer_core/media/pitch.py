"""Pitch of speech by autocorrelation."""

import numpy as np
from scipy.fft import irfft, rfft

from mfer_core.cache.schemas import SAMPLE_RATE

PITCH_RANGE = (60, 500)  # Hz
PITCH_FRAME, PITCH_HOP = 640, 320  # samples: 40 ms every 20 ms


def pitch(waveform: np.ndarray) -> np.ndarray:
    """Pitch in Hz [T] every 20 ms: the highest peak of the autocorrelation between 60 and 500 Hz, voiced or
    not.
    """
    frames = np.lib.stride_tricks.sliding_window_view(waveform, PITCH_FRAME)[::PITCH_HOP]
    frames = frames - frames.mean(1, keepdims=True)
    spectrum = rfft(frames, 2 * PITCH_FRAME)
    correlation = irfft(spectrum.real**2 + spectrum.imag**2)  # [T, 2 * frame]
    shortest, longest = SAMPLE_RATE // PITCH_RANGE[1], SAMPLE_RATE // PITCH_RANGE[0]
    return (SAMPLE_RATE / (shortest + correlation[:, shortest : longest + 1].argmax(1))).astype(np.float32)
