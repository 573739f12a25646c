"""Scenes of several people, put together from clips of one synthetic person each; who is where is known."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from demo.clips import SIZE, write_clip
from demo.plans import PlannedClip
from tests.media import recordings

RATE = 16_000
STEP_MS = 100  # between two pictures
CENTRE = "centre"


@dataclass(frozen=True)
class Take:
    """What one person does for some seconds."""

    pictures: list[np.ndarray]  # RGB uint8, every ``STEP_MS``
    sound: np.ndarray  # float32 [N] at ``RATE``


@dataclass(frozen=True)
class Shot:
    """Who is where ("left", "right" or "centre"), and who of them speaks."""

    places: dict[str, str]  # person -> place
    speaker: str | None


@dataclass(frozen=True)
class Scene:
    """A recording with the truth about it."""

    path: Path
    shots: list[tuple[float, float, Shot]]  # start and end, seconds

    def at(self, time_s: float) -> Shot | None:
        return next((shot for start, end, shot in self.shots if start <= time_s < end), None)

    def x_of(self, side: str) -> float:
        """Where a place's face is, pixels from the left."""
        return {"left": 0.5, CENTRE: 1.0, "right": 1.5}[side] * SIZE[0]


def take(folder: Path, speaker: str, sex: str, label: str) -> Take:
    """A clip of the demonstration's."""
    plan = PlannedClip(f"{speaker}-{label}.mp4", "ravdess", speaker, sex, label, "strong", "1")
    path = folder / write_clip(folder, plan, seed=42)
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][::3]
    return Take(pictures, _sound(path)[: len(pictures) * STEP_MS * RATE // 1000])


def _sound(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "mono", RATE)
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def film(path: Path, takes: dict[str, list[Take]], shots: list[Shot]) -> Scene:
    """Write the shots one after the other. Each person's takes follow each other, and their sound is heard
    where they speak; who does not speak keeps still.
    """
    pictures: list[np.ndarray] = []
    sounds, truth, turn = [], [], dict.fromkeys(takes, 0)
    for shot in shots:
        lead = shot.speaker or next(iter(shot.places))
        spoken = takes[lead][turn[lead] % len(takes[lead])]
        turn[lead] += 1
        start = len(pictures)
        for number in range(len(spoken.pictures)):
            faces = {
                shot.places[person]: spoken.pictures[number]
                if person == lead
                else takes[person][0].pictures[0]
                for person in shot.places
            }
            pictures.append(_compose(faces))
        samples = len(spoken.pictures) * STEP_MS * RATE // 1000
        silent = np.zeros(samples, np.float32)
        silent[: len(spoken.sound)] = spoken.sound if shot.speaker else 0.0
        sounds.append(silent)
        truth.append((start * STEP_MS / 1000, len(pictures) * STEP_MS / 1000, shot))
    times = range(0, len(pictures) * STEP_MS, STEP_MS)
    path.parent.mkdir(exist_ok=True)
    recordings.write_clip(path, pictures, times, np.concatenate(sounds), sound_rate=RATE)
    return Scene(path, truth)


def _compose(faces: dict[str, np.ndarray]) -> np.ndarray:
    """A picture of twice a clip's width, with wall where nobody is."""
    width, height = SIZE
    picture = np.full((height, 2 * width, 3), 226, np.uint8)
    for side, face in faces.items():
        left = {"left": 0, CENTRE: width // 2, "right": width}[side]
        picture[:, left : left + width] = face
    return picture
