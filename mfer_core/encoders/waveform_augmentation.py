"""Random changes of speech that do not change the emotion (reference method, 'Augmentation, audio'), on
numpy.
"""

import numpy as np
from scipy.signal import resample_poly

from mfer_core.cache.schemas import SAMPLE_RATE

SPEED_CHANCE = 0.2  # The chance that a view of a clip of stage 2a plays faster or slower (reference method).


def augment_waveform(waveform: np.ndarray, generator: np.random.Generator, speed: float) -> np.ndarray:
    """Gain 0.8-1.2 (p .5), time mask 20-50 ms (p .3), white noise at 20-30 dB (p .3), and with probability
    ``speed`` speed 0.95-1.05.

    float32 [N] -> [M].
    """
    if generator.random() < speed:
        waveform = change_speed(waveform, generator.uniform(0.95, 1.05))
    if generator.random() < 0.5:
        waveform = waveform * generator.uniform(0.8, 1.2)
    if generator.random() < 0.3:
        waveform = _mask(waveform, generator)
    if generator.random() < 0.3:
        waveform = _noise(waveform, generator.uniform(20, 30), generator)
    return waveform.astype(np.float32)


def change_speed(waveform: np.ndarray, factor: float) -> np.ndarray:
    """Played faster by ``factor``, in whole per cent: pitch and duration change together, and nothing
    aliases.
    """
    return resample_poly(waveform, 100, round(100 * factor)).astype(np.float32)


def _mask(waveform: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    length = int(generator.uniform(0.02, 0.05) * SAMPLE_RATE)
    start = int(generator.integers(0, max(1, len(waveform) - length)))
    masked = waveform.copy()
    masked[start : start + length] = 0
    return masked


def _noise(waveform: np.ndarray, snr_db: float, generator: np.random.Generator) -> np.ndarray:
    power = float(np.mean(waveform**2))
    return waveform + generator.normal(0, np.sqrt(power / 10 ** (snr_db / 10)), len(waveform))


def crop_waveform(waveform: np.ndarray, length: int, generator: np.random.Generator) -> np.ndarray:
    """``length`` consecutive samples from a random position, or the whole waveform where it is shorter."""
    start = int(generator.integers(0, max(1, len(waveform) - length)))
    return waveform[start : start + length]
