"""Who the synthetic people are: the face and voice they were born with, and their manner of expression."""

from dataclasses import dataclass

import numpy as np

from demo.emotions import FACE, VOICE, Manner, manner
from demo.seeds import generator

# Colours are BGR, 0..255.
SKINS = (
    (208, 222, 244),
    (178, 200, 232),
    (150, 180, 222),
    (120, 150, 200),
    (92, 122, 176),
    (70, 96, 148),
    (56, 76, 118),
)
HAIRS = (
    (30, 28, 30),
    (34, 44, 62),
    (40, 62, 96),
    (60, 96, 148),
    (110, 160, 205),
    (36, 56, 130),
    (140, 140, 145),
)
IRISES = ((40, 60, 90), (60, 90, 120), (130, 110, 70), (90, 110, 70), (40, 45, 55))
SHIRTS = ((35, 35, 38), (90, 60, 40), (60, 70, 110), (70, 90, 60), (150, 140, 130), (80, 50, 90))
HAIR_STYLES = {
    "male": ("short", "short", "side", "bald"),
    "female": ("long", "long", "bun", "side", "fringe"),
}


@dataclass(frozen=True)
class Looks:
    """A face's geometry, in units of half the head's width, and its colours (BGR)."""

    sex: str
    head_height: float  # chin and crown from the middle
    jaw: float  # 0 pointed .. 1 square
    eye_x: float
    eye_y: float
    eye_width: float
    eye_height: float
    brow_y: float
    brow_thick: float
    brow_tilt: float
    nose_length: float
    nose_width: float
    mouth_y: float
    mouth_width: float
    lip: float
    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    shirt: np.ndarray
    lips: np.ndarray
    brows: np.ndarray
    hair_style: str
    beard: float  # 0 none .. 1 full
    glasses: bool


@dataclass(frozen=True)
class Throat:
    """A voice's physique."""

    pitch: float  # Hz, resting
    formants: float  # scale of all formant frequencies
    tilt: float  # resting tension
    breath: float  # resting breathiness
    rate: float  # syllables per second at rest


@dataclass(frozen=True)
class Person:
    looks: Looks
    throat: Throat
    face: Manner
    voice: Manner


def person(seed: int, corpus: str, speaker: str, sex: str) -> Person:
    """The person behind a speaker id: the same for the same names, whatever else the corpus holds."""
    shifted = corpus == "custom"
    rng = generator(seed, corpus, speaker, "born")
    return Person(
        looks=_looks(rng, sex, shifted),
        throat=_throat(rng, sex, shifted),
        face=manner(FACE, seed, corpus, speaker),
        voice=manner(VOICE, seed, corpus, speaker),
    )


def _looks(rng: np.random.Generator, sex: str, shifted: bool) -> Looks:
    male = sex == "male"
    skin = _pick(rng, SKINS[3:] if shifted else SKINS) * rng.normal(1, 0.05) + rng.normal(0, 2, 3)
    hair = _pick(rng, HAIRS[:2] if shifted else HAIRS) * rng.normal(1, 0.1) + rng.normal(0, 2, 3)
    hair *= min(1.0, 0.62 * skin.mean() / hair.mean()) if hair.mean() < skin.mean() * 1.1 else 1.0
    lips = skin * np.array([0.62, 0.55, 0.86]) + (
        np.array([12, -6, 10]) if not male else np.array([14, 14, 4])
    )
    return Looks(
        sex=sex,
        head_height=rng.uniform(1.24, 1.36) + (0.02 if shifted else 0.0),
        jaw=rng.uniform(0.45, 0.95) if male else rng.uniform(0.1, 0.6),
        eye_x=rng.uniform(0.40, 0.46),
        eye_y=rng.uniform(-0.20, -0.10),
        eye_width=rng.uniform(0.23, 0.28),
        eye_height=rng.uniform(0.11, 0.14),
        brow_y=rng.uniform(0.30, 0.36),
        brow_thick=rng.uniform(0.065, 0.095) if male else rng.uniform(0.045, 0.07),
        brow_tilt=rng.normal(0, 0.025),
        nose_length=rng.uniform(0.42, 0.52),
        nose_width=rng.uniform(0.15, 0.21),
        mouth_y=rng.uniform(0.68, 0.74),
        mouth_width=rng.uniform(0.36, 0.44),
        lip=rng.uniform(0.06, 0.085) if male else rng.uniform(0.08, 0.11),
        skin=np.clip(skin, 0, 255),
        hair=np.clip(hair, 0, 255),
        iris=_pick(rng, IRISES),
        shirt=_pick(rng, SHIRTS) if shifted else _pick(rng, SHIRTS[:1]),
        lips=np.clip(lips, 0, 255),
        brows=np.clip(np.minimum(0.7 * hair, 0.5 * skin), 0, 255),
        hair_style=str(rng.choice(HAIR_STYLES[sex])),
        beard=float(rng.uniform(0.25, 0.7)) if male and rng.random() < (0.7 if shifted else 0.25) else 0.0,
        glasses=bool(rng.random() < (0.25 if shifted else 0.12)),
    )


def _throat(rng: np.random.Generator, sex: str, shifted: bool) -> Throat:
    pitch, formants = (120.0, 1.0) if sex == "male" else (205.0, 1.15)
    return Throat(
        pitch=pitch * float(np.exp(rng.normal(0.1 if shifted else 0, 0.12))),
        formants=formants * float(np.exp(rng.normal(-0.06 if shifted else 0, 0.05))),
        tilt=float(rng.normal(0.15 if shifted else 0, 0.15)),
        breath=float(rng.normal(0, 0.2)),
        rate=float(rng.uniform(4.0, 4.8) if shifted else rng.uniform(4.6, 5.4)),
    )


def _pick(rng: np.random.Generator, choices: tuple) -> np.ndarray:
    return np.array(choices[rng.integers(len(choices))], float)
