"""What an emotion looks and sounds like: points on a few axes, shared by every synthetic corpus.

The face axes follow the action units of the Facial Action Coding System (Ekman & Friesen 1978), the voice
axes the acoustic correlates of emotion of Juslin & Laukka (2003).
"""

from dataclasses import dataclass

import numpy as np

from demo import difficulty
from demo.seeds import generator

# fmt: off
FACE_AXES = (
    "brow_inner", "brow_outer", "furrow", "lids", "squint", "smile",
    "stretch", "open", "sneer", "press", "nod", "motion",
)
FACES: dict[str, tuple[float, ...]] = {
    #             brow_in brow_out furrow  lids  squint smile stretch  open  sneer press   nod  motion
    "neutral":   (  0.00,   0.00,  0.00,  0.00,  0.00,  0.00,  0.00,  0.00,  0.00, 0.00,  0.00,  0.00),
    "calm":      (  0.08,   0.08, -0.08, -0.34,  0.10,  0.30,  0.04,  0.00,  0.00, 0.00,  0.12, -0.40),
    "happy":     (  0.05,   0.15,  0.00,  0.00,  0.70,  1.00,  0.45,  0.30,  0.00, 0.00, -0.20,  0.50),
    "sad":       (  0.80,  -0.30,  0.30, -0.45,  0.15, -0.75, -0.20,  0.00,  0.05, 0.25,  0.60, -0.30),
    "angry":     ( -0.35,  -0.10,  1.00,  0.15,  0.55, -0.35, -0.05,  0.05,  0.30, 0.75,  0.25,  0.55),
    "fearful":   (  0.85,   0.35,  0.35,  0.80,  0.00, -0.25,  0.60,  0.35,  0.00, 0.00, -0.25,  0.60),
    "disgust":   ( -0.15,  -0.10,  0.60, -0.25,  0.60, -0.50, -0.05,  0.15,  1.00, 0.10,  0.00,  0.10),
    "surprised": (  0.85,   0.95, -0.10,  0.85, -0.10,  0.05, -0.30,  0.75,  0.00, 0.00, -0.35,  0.20),
}
VOICE_AXES = (
    "pitch", "range", "slope", "rate", "tension", "breath", "rough", "tremor", "accent", "smile", "staccato",
)
VOICES: dict[str, tuple[float, ...]] = {
    #             pitch  range  slope   rate tension breath rough tremor accent  smile staccato
    "neutral":   ( 0.00, -0.20, -0.20,  0.00,  0.00,  0.00, 0.00,  0.00,  0.00,  0.00,     0.00),
    "calm":      (-0.35, -0.40, -0.10, -0.45, -0.50,  0.40, 0.00,  0.00, -0.50,  0.05,    -0.50),
    "happy":     ( 0.70,  0.80,  0.35,  0.35,  0.50, -0.10, 0.00,  0.00,  0.50,  0.90,     0.15),
    "sad":       (-0.25, -0.60, -0.75, -0.75, -0.75,  0.60, 0.10,  0.45, -0.50, -0.35,    -0.60),
    "angry":     ( 0.35,  0.40, -0.50,  0.35,  1.10, -0.30, 0.65,  0.00,  1.00, -0.30,     0.50),
    "fearful":   ( 0.90, -0.30,  0.15,  0.75, -0.20,  0.80, 0.20,  1.00,  0.00,  0.25,     0.65),
    "disgust":   (-0.65,  0.20, -0.60, -0.45,  0.40,  0.00, 1.00,  0.00,  0.40, -0.80,    -0.10),
    "surprised": ( 1.00,  1.20,  1.20,  0.00,  0.20,  0.30, 0.00,  0.00,  0.20,  0.10,    -0.30),
}
# fmt: on

# Whom an ambiguous clip resembles. The two tables share no pair: what one modality mixes up, the other tells
# apart.
FACE_PARTNER = {
    "neutral": "calm",
    "calm": "neutral",
    "happy": "calm",
    "sad": "disgust",
    "angry": "disgust",
    "fearful": "surprised",
    "disgust": "sad",
    "surprised": "fearful",
}
VOICE_PARTNER = {
    "neutral": "disgust",
    "calm": "sad",
    "happy": "angry",
    "sad": "calm",
    "angry": "happy",
    "fearful": "sad",
    "disgust": "neutral",
    "surprised": "happy",
}


_LIMIT = 1.7  # Muscles and vocal folds go no further than this.


@dataclass(frozen=True)
class Channel:
    """One channel of expression with its knobs (see difficulty.py)."""

    name: str
    table: dict[str, tuple[float, ...]]
    partner: dict[str, str]
    ambiguous: float
    noise: float
    rest: float
    style: float
    shift: float


FACE = Channel(
    "face",
    FACES,
    FACE_PARTNER,
    difficulty.FACE_AMBIGUOUS,
    difficulty.FACE_NOISE,
    difficulty.FACE_REST,
    difficulty.FACE_STYLE,
    difficulty.FACE_SHIFT,
)
VOICE = Channel(
    "voice",
    VOICES,
    VOICE_PARTNER,
    difficulty.VOICE_AMBIGUOUS,
    difficulty.VOICE_NOISE,
    difficulty.VOICE_REST,
    difficulty.VOICE_STYLE,
    difficulty.VOICE_SHIFT,
)


@dataclass(frozen=True)
class Manner:
    """How one person expresses themselves in one modality; arrays over its axes."""

    modality: Channel
    rest: np.ndarray  # Added to every expression.
    gain: np.ndarray  # Factor of every expression.
    targets: dict[str, np.ndarray]  # label -> the axes' values of this person's full expression
    ease: float  # scales chance: below 1 for posed corpora


def manner(modality: Channel, seed: int, corpus: str, speaker: str) -> Manner:
    """A person's manner. The custom set's people share another mapping from emotion to expression."""
    ease = 1.0 if corpus in ("ravdess", "custom") else difficulty.POSED
    rng = generator(seed, corpus, speaker, modality.name)
    size = len(modality.table["neutral"])
    rest = rng.normal(0, ease * modality.rest, size)
    gain = np.exp(
        ease * (rng.normal(0, difficulty.GAIN_SPREAD, size) + rng.normal(0, difficulty.GAIN_SPREAD))
    )
    targets = {}
    for label, target in modality.table.items():
        targets[label] = np.array(target) + rng.normal(0, ease * modality.style, size)
        if corpus == "custom":
            shift = generator(seed, corpus, modality.name, label).normal(0, modality.shift, size)
            targets[label] = difficulty.SHIFT_GAIN * targets[label] + shift
    return Manner(modality, rest, gain, targets, ease)


def express(person: Manner, label: str, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Axis values of one clip's apex: the person's target for ``label``, maybe mixed with its partner, plus
    noise.
    """
    modality = person.modality
    mix = rng.uniform(*difficulty.MIX) if rng.random() < person.ease * modality.ambiguous else 0.0
    target = (1 - mix) * person.targets[label] + mix * person.targets[modality.partner[label]]
    noise = rng.normal(0, person.ease * modality.noise, len(target))
    return _LIMIT * np.tanh((person.rest + strength * person.gain * target + noise) / _LIMIT)


def clip_strength(intensity: str, rng: np.random.Generator) -> float:
    """How strongly a clip of ``intensity`` ("normal" or "strong") is acted."""
    return difficulty.STRENGTH[intensity] * float(np.exp(rng.normal(0, difficulty.STRENGTH_SPREAD)))
