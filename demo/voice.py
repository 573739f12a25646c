"""A source-filter voice (Fant 1960): glottal pulses and breath through the resonances of five vowels."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, lfilter, resample_poly, sosfilt

from demo.people import Throat

RATE = 16_000  # Hz, of the synthesis
_CONTROL = 200  # Hz, of contours

# Formant frequencies (Hz) of a male voice: Peterson & Barney 1952, and a second set for the custom corpus.
VOWELS = {
    "i": (270, 2290, 3010),
    "e": (530, 1840, 2480),
    "a": (730, 1090, 2440),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
}
OTHER_VOWELS = {
    "i": (340, 1900, 2550),
    "e": (480, 1500, 2350),
    "a": (640, 1300, 2600),
    "o": (470, 1000, 2600),
    "u": (360, 1150, 2200),
}
OPENNESS = {"i": 0.25, "e": 0.45, "a": 0.9, "o": 0.55, "u": 0.2}
_BANDWIDTHS = (70, 100, 160, 250)  # Hz


@dataclass(frozen=True)
class Syllable:
    onset: str  # "s" hissed, "t" burst, "m" voiced, "" none
    vowel: str


@dataclass(frozen=True)
class Timing:
    """When each syllable of a statement sounds, seconds, and how long the clip is."""

    syllables: tuple[Syllable, ...]
    starts: np.ndarray
    lengths: np.ndarray
    duration: float
    staccato: float = 0.0  # share of a syllable that is silence instead

    def within(self, shortest: float, longest: float) -> "Timing":
        """The same statement, said faster if the clip would last longer than ``longest``, silence after it if
        too short.
        """
        squeeze = min(1.0, longest / self.duration)
        return Timing(
            self.syllables,
            self.starts * squeeze,
            self.lengths * squeeze,
            max(shortest, self.duration * squeeze),
            self.staccato,
        )

    def envelope(self, vowel: str | None, times: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """How much ``vowel`` (None: any) sounds at ``times``: 0..1, ``weights`` scale the syllables."""
        total = np.zeros(len(times))
        for number, syllable in enumerate(self.syllables):
            if vowel in (None, syllable.vowel):
                u = (times - self.starts[number]) / self.lengths[number]
                bump = np.clip(np.minimum((u + 0.12) / 0.25, (1.12 - self.staccato - u) / 0.35), 0, 1)
                total = np.maximum(total, bump * (1.0 if weights is None else weights[number]))
        return total


def timing(
    statement: tuple[Syllable, ...],
    axes: dict[str, float],
    throat: Throat,
    lead: float,
    rng: np.random.Generator,
) -> Timing:
    """Lay out a statement with ``lead`` seconds of silence on each side."""
    per_second = throat.rate * 2 ** (0.5 * axes["rate"])
    lengths = rng.uniform(0.8, 1.2, len(statement)) / per_second
    lengths[-1] *= 1.3
    starts = lead + np.concatenate([[0], np.cumsum(lengths)[:-1]])
    return Timing(
        statement,
        starts,
        lengths,
        float(starts[-1] + lengths[-1] + lead),
        float(np.clip(0.25 + 0.3 * axes["staccato"], 0, 0.6)),
    )


def speak(
    throat: Throat, axes: dict[str, float], plan: Timing, vowels: dict, rng: np.random.Generator
) -> np.ndarray:
    """The clip's sound: float32 [N] at 16 kHz, peak below 1, silence as digital zero."""
    samples = round(plan.duration * RATE)
    times = np.arange(samples) / RATE
    loud = _loudness(plan, axes, times, rng)
    source = _pulses(_pitch(throat, axes, plan, rng, samples), axes, rng) + _breath(
        throat, axes, samples, rng
    )
    source = _tilt(source, np.clip(axes["tension"] + throat.tilt, -1.5, 1.6)) * loud
    voice = np.zeros(samples)
    for vowel in sorted({syllable.vowel for syllable in plan.syllables}):
        shaped = sosfilt(_resonances(vowels[vowel], throat.formants * 2 ** (0.25 * axes["smile"])), source)
        voice += shaped * plan.envelope(vowel, times)
    voice /= np.abs(voice).max() + 1e-9
    voice += 0.25 * _consonants(plan, samples, rng)
    level = 0.18 * 2 ** np.clip(0.8 * axes["tension"] + 0.4 * axes["accent"], -2, 1.6)
    return (min(level, 0.9) * voice / (np.abs(voice).max() + 1e-9)).astype(np.float32)


def record(voice: np.ndarray, rate: int, noise_db: float, rng: np.random.Generator) -> np.ndarray:
    """The voice as recorded at ``rate`` Hz with a noise floor ``noise_db`` below full scale: int16 [N]."""
    noisy = voice + rng.normal(0, 10 ** (noise_db / 20), len(voice))
    if rate != RATE:
        factor = np.gcd(rate, RATE)
        noisy = resample_poly(noisy, rate // factor, RATE // factor)
    return np.clip(np.round(noisy * 32767), -32768, 32767).astype(np.int16)


def _pitch(
    throat: Throat, axes: dict[str, float], plan: Timing, rng: np.random.Generator, samples: int
) -> np.ndarray:
    """Fundamental frequency per sample, Hz."""
    times = np.arange(int(plan.duration * _CONTROL) + 2) / _CONTROL
    begin, end = plan.starts[0], plan.starts[-1] + plan.lengths[-1]
    u = np.clip((times - begin) / (end - begin), 0, 1)
    spread = 2 ** np.clip(axes["range"], -2, 2)
    semitones = (
        7.5 * axes["pitch"] + 1.2 * spread * (0.5 - u) + 8.0 * axes["slope"] * np.clip((u - 0.6) / 0.4, 0, 1)
    )
    for number, (start, length) in enumerate(zip(plan.starts, plan.lengths, strict=True)):
        height = rng.uniform(0.6, 1.2) * (1.8 if number % 3 == 0 else -0.2)
        semitones += height * spread * np.exp(-(((times - start - length / 2) / (0.7 * length)) ** 2))
    semitones += (
        1.8 * max(axes["tremor"], 0) * np.sin(2 * np.pi * (rng.uniform(5, 6.5) * times + rng.random()))
    )
    wobble = lfilter([0.3], [1, -0.7], rng.normal(0, 1, len(times)))
    semitones += (0.12 + 0.5 * max(axes["rough"], 0)) * wobble
    return throat.pitch * 2 ** (np.interp(np.arange(samples) / RATE, times, semitones) / 12)


def _pulses(pitch: np.ndarray, axes: dict[str, float], rng: np.random.Generator) -> np.ndarray:
    """The derivative of the glottal flow (Rosenberg 1971), rough voices with uneven cycles."""
    phase = np.cumsum(pitch) / RATE
    cycle, within = phase.astype(int), phase % 1
    opening, closing = 0.42, 0.18 - 0.07 * np.clip(axes["tension"], -1, 1)
    rise = np.pi / opening * np.sin(np.pi * within / opening)
    fall = -np.pi / (2 * closing) * np.sin(np.pi * (within - opening) / (2 * closing))
    flow = np.where(within < opening, 0.5 * rise, np.where(within < opening + closing, fall, 0.0))
    rough = np.clip(axes["rough"], 0, 1.5)
    uneven = 1 + rough * rng.normal(0, 0.22, cycle[-1] + 1) - 0.3 * rough * (np.arange(cycle[-1] + 1) % 2)
    return flow / 8 * uneven[cycle]


def _breath(throat: Throat, axes: dict[str, float], samples: int, rng: np.random.Generator) -> np.ndarray:
    gain = 0.05 * 2 ** (2.6 * np.clip(axes["breath"] + throat.breath, -1.2, 1.6))
    return gain * lfilter([1, -0.9], [1], rng.normal(0, 1, samples))


def _tilt(source: np.ndarray, tension: float) -> np.ndarray:
    """Lax voices lose their high harmonics."""
    pole = 0.62 - 0.36 * tension
    pole = min(max(pole, 0.02), 0.97)
    return lfilter([1 - pole], [1, -pole], source)


def _loudness(
    plan: Timing, axes: dict[str, float], times: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    count = len(plan.starts)
    accent = np.where(np.arange(count) % 3 == 0, 1.0, -0.6) * (0.25 + 0.45 * axes["accent"])
    weights = np.clip(0.75 + accent * 0.6 + rng.normal(0, 0.06, count), 0.15, 1.6)
    shake = 1 + 0.5 * np.clip(axes["tremor"], 0, 1.5) * np.sin(
        2 * np.pi * (rng.uniform(5, 6.5) * times + rng.random())
    )
    return plan.envelope(None, times, weights) * shake


def _consonants(plan: Timing, samples: int, rng: np.random.Generator) -> np.ndarray:
    out = np.zeros(samples)
    hiss = sosfilt(_HISS, rng.normal(0, 1, samples))
    for syllable, start in zip(plan.syllables, plan.starts, strict=True):
        length = {"s": 0.08, "t": 0.03}.get(syllable.onset, 0.0)
        first, last = round((start - 0.02) * RATE), round((start - 0.02 + length) * RATE)
        out[first:last] += hiss[first:last] * np.hanning(last - first)
    return out


_HISS = butter(2, (2800, 6800), "bandpass", fs=RATE, output="sos")


def _resonances(formants: tuple[int, ...], scale: float) -> np.ndarray:
    """Second-order sections [4, 6] of a vowel's formants."""
    rows = []
    for frequency, width in zip((*formants, 3600), _BANDWIDTHS, strict=True):
        radius = np.exp(-np.pi * width / RATE)
        cos = np.cos(2 * np.pi * min(frequency * scale, 7200) / RATE)
        rows.append([1 - 2 * radius * cos + radius**2, 0, 0, 1, -2 * radius * cos, radius**2])
    return np.array(rows)
