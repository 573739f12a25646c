"""One synthetic clip from its plan: a voice, and where the corpus has pictures a face that speaks with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, repeat
from pathlib import Path

import cv2
import numpy as np
import soundfile

from demo import features, portrait, voice
from demo.acting import Moment, act
from demo.drawing import View
from demo.emotions import VOICE_AXES, clip_strength, express
from demo.people import Person, person
from demo.plans import PlannedClip
from demo.seeds import generator
from demo.video import FRAME_RATE, write_video
from mfer_core.base.files import atomic_path

SIZE = (320, 180)  # pixels
HEAD = 37.0  # pixels, half the width of a head
SHORTEST_S, LONGEST_S = 2.0, 2.95
FLASH_RATE = 44_100  # Hz, of the sound of a .flv
SHOWN = 2  # frames in a row that show one picture, as in drawn films: half the work


@dataclass(frozen=True)
class RecordingSetup:
    """How a corpus records: Hz, noise floor in dB below full scale, vowels, syllables per statement."""

    rate: int
    noise_db: float
    vowels: dict
    syllables: tuple[int, int]


RECORDING_SETUPS = {
    "ravdess": RecordingSetup(48_000, -66, voice.VOWELS, (7, 7)),
    "custom": RecordingSetup(44_100, -46, voice.OTHER_VOWELS, (6, 8)),
    "crema_d": RecordingSetup(16_000, -58, voice.VOWELS, (6, 9)),
    "shemo": RecordingSetup(44_100, -55, voice.VOWELS, (6, 10)),
    "sdc": RecordingSetup(44_100, -48, voice.OTHER_VOWELS, (6, 9)),
    "urdu": RecordingSetup(44_100, -52, voice.VOWELS, (6, 9)),
}
# "Kids are talking by the door" and "Dogs are sitting by the door", as far as this voice can say them.
RAVDESS_STATEMENTS = {"1": "ti a to ti ma me to", "2": "to a si ti ma me to"}


def write_clip(folder: Path, clip: PlannedClip, seed: int) -> str:
    """Write ``clip`` below ``folder`` atomically; returns its relative path. The bytes follow from (clip,
    seed) alone.
    """
    cv2.setNumThreads(1)
    who = person(seed, clip.corpus, clip.speaker, clip.sex)
    rng = generator(seed, clip.corpus, clip.path)
    strength = clip_strength(clip.intensity, rng)
    plan, sound = _speech(clip, who, strength, generator(seed, clip.corpus, clip.path, "voice"))
    with atomic_path(folder / clip.path) as path:
        if path.suffix.lower() == ".wav":
            soundfile.write(path, sound, _rate(clip), subtype="PCM_16", format="WAV")
        else:
            pictures = _pictures(
                clip, who, strength, plan, seed, generator(seed, clip.corpus, clip.path, "face")
            )
            write_video(path, pictures, sound, _rate(clip), SIZE)
    return clip.path


def _rate(clip: PlannedClip) -> int:
    """The sample rate of the clip's file, Hz."""
    return FLASH_RATE if clip.path.endswith(".flv") else RECORDING_SETUPS[clip.corpus].rate


def statement(corpus: str, name: str) -> tuple[voice.Syllable, ...]:
    """The syllables of a corpus's sentence; the two of RAVDESS have the rhythm and vowels of its own."""
    if corpus == "ravdess":
        return tuple(voice.Syllable(sound[:-1], sound[-1]) for sound in RAVDESS_STATEMENTS[name].split())
    rng = generator(corpus, "statement", name)
    count = rng.integers(*RECORDING_SETUPS[corpus].syllables, endpoint=True)
    return tuple(
        voice.Syllable(str(rng.choice(["s", "t", "m", ""])), str(rng.choice(list("ieaou"))))
        for _ in range(count)
    )


def _speech(
    clip: PlannedClip, who: Person, strength: float, rng: np.random.Generator
) -> tuple[voice.Timing, np.ndarray]:
    recording = RECORDING_SETUPS[clip.corpus]
    axes = dict(zip(VOICE_AXES, express(who.voice, clip.label, strength, rng), strict=True))
    words = statement(clip.corpus, clip.statement)
    plan = voice.timing(words, axes, who.throat, float(rng.uniform(0.25, 0.4)), rng)
    plan = plan.within(SHORTEST_S, LONGEST_S)
    return plan, voice.record(
        voice.speak(who.throat, axes, plan, recording.vowels, rng), _rate(clip), recording.noise_db, rng
    )


def _pictures(
    clip: PlannedClip, who: Person, strength: float, plan: voice.Timing, seed: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    apex = express(who.face, clip.label, strength, rng)
    count = int(plan.duration * FRAME_RATE)
    drawn = np.arange(0, count, SHOWN) / float(FRAME_RATE)
    shifted = clip.corpus == "custom"
    view = View(
        *SIZE,
        SIZE[0] / 2 + rng.normal(0, 4),
        SIZE[1] * 0.49 + rng.normal(0, 2),
        HEAD * (1.12 if shifted else 1) * rng.normal(1, 0.02),
    )
    setting = generator(seed, clip.corpus, clip.speaker, "place")
    still = portrait.paint(who.looks, (portrait.home if shifted else portrait.studio)(setting), view, setting)
    still = cv2.cvtColor(still, cv2.COLOR_BGR2BGRA)  # four channels are moved three times as fast as three
    moments = act(who, apex, plan, drawn, rng)
    pictures = (_picture(still, view, who, moment) for moment in moments)
    yield from islice(chain.from_iterable(repeat(picture, SHOWN) for picture in pictures), count)


def _picture(still: np.ndarray, view: View, who: Person, moment: Moment) -> np.ndarray:
    """The still portrait moved as a whole (nobody sees a plain wall sway), with the features on top."""
    cos, sin = np.cos(moment.roll), np.sin(moment.roll)
    neck = np.array([view.x, view.y + 1.6 * view.scale])
    rotation = np.array([[cos, -sin], [sin, cos]])
    shift = neck - rotation @ neck + np.array([moment.x, moment.y]) * view.scale
    image = cv2.warpAffine(
        still,
        np.column_stack([rotation, shift]),
        SIZE,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    x, y = rotation @ np.array([view.x, view.y]) + shift
    features.draw(image, View(*SIZE, x, y, view.scale, moment.roll), who.looks, moment.face, moment.pose)
    return image
