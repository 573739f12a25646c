"""How an expression unfolds over a clip: onset, speech on the lips, blinks, and the head's motion."""

from dataclasses import dataclass

import numpy as np

from demo.emotions import FACE_AXES
from demo.features import Pose
from demo.people import Person
from demo.voice import OPENNESS, Timing


@dataclass(frozen=True)
class Moment:
    """One frame: the face's axes, its pose, and the head's shift (face units) and roll (radians)."""

    face: dict[str, float]
    pose: Pose
    x: float
    y: float
    roll: float


def act(
    person: Person, apex: np.ndarray, plan: Timing, times: np.ndarray, rng: np.random.Generator
) -> list[Moment]:
    """Bring a face from rest to ``apex`` (axis values) and through the statement, at ``times`` (seconds)."""
    axes = _unfold(person.face.rest, apex, plan, times, rng)
    lips = np.max([plan.envelope(vowel, times) * OPENNESS[vowel] for vowel in OPENNESS], axis=0)
    column = {name: axes[:, number] for number, name in enumerate(FACE_AXES)}
    column["open"] = np.clip(column["open"], 0, None) * 0.75 + 0.55 * lips
    column["press"] = column["press"] * (1 - 0.7 * lips)
    blinks = _blinks(times, rng)
    energy = np.clip(0.5 + 0.6 * column["motion"], 0.1, 1.6)
    turn, nod, roll, x, y = (energy * _drift(times, rng) for _ in range(5))
    nod = 0.35 * nod + 0.9 * column["nod"]
    return [
        Moment(
            {name: float(values[i]) for name, values in column.items()},
            Pose(0.5 * turn[i], nod[i], blinks[i], 0.2 * turn[i]),
            0.05 * x[i],
            0.04 * y[i] + 0.10 * column["nod"][i],
            0.03 * roll[i],
        )
        for i in range(len(times))
    ]


def _unfold(
    rest: np.ndarray, apex: np.ndarray, plan: Timing, times: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Axis values [T, axes]: rest, onset before the speech, apex, partial release."""
    begin, end = plan.starts[0], plan.starts[-1] + plan.lengths[-1]
    peak = begin + rng.uniform(-0.1, 0.35)
    level = np.interp(
        times,
        [0, peak, end, plan.duration],
        [rng.uniform(0.25, 0.5), 1, rng.uniform(0.8, 1), rng.uniform(0.5, 0.8)],
    )
    flicker = np.stack([_drift(times, rng) for _ in apex], axis=1)
    return rest + level[:, None] * (apex - rest) + 0.06 * flicker


def _drift(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A slow irregular movement, about -1..1."""
    waves = [
        np.sin(2 * np.pi * (rng.uniform(low, low + 0.5) * times + rng.random())) for low in (0.2, 0.7, 1.5)
    ]
    return np.dot([0.5, 0.35, 0.15], waves)


def _blinks(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    closed = np.zeros(len(times))
    moment = rng.uniform(0, 2)
    while moment < times[-1]:
        closed = np.maximum(closed, np.clip(1.3 - np.abs(times - moment) / 0.09, 0, 1))
        moment += rng.uniform(1.2, 3.5)
    return closed
