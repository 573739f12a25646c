"""Which clips a synthetic corpus holds, named as the real corpora name theirs (datasheets:
mfer_core/corpora/*.py).

Every speaker's list is a fixed order of which a size takes the first so many: another size adds or removes
clips at its end and leaves the others as they are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from demo.seeds import generator
from mfer_core.base.errors import MferError


@dataclass(frozen=True)
class PlannedClip:
    """One file to be written: where, who, what. ``statement`` names the sentence, the same words for the same
    name.
    """

    path: str
    corpus: str
    speaker: str
    sex: str
    label: str
    intensity: str  # "normal" or "strong"
    statement: str


# A plan yields one speaker's clips, in order, given the speaker's number (from 0) and a generator of their
# own.
Plan = Callable[[int, np.random.Generator], Iterator[PlannedClip]]
_SEXES = ("male", "female")  # The sexes of speakers 0, 1, 0, 1, ... alternate.
RAVDESS_CODES = {
    "neutral": 1,
    "calm": 2,
    "happy": 3,
    "sad": 4,
    "angry": 5,
    "fearful": 6,
    "disgust": 7,
    "surprised": 8,
}


def _shuffled(rng: np.random.Generator, items: list) -> list:
    return [items[i] for i in rng.permutation(len(items))]


def ravdess(number: int, rng: np.random.Generator) -> Iterator[PlannedClip]:
    """Up to 60: rounds of all eight emotions, each emotion's next clip unlike its last one (intensity and
    statement).
    """
    takes = {label: _ravdess_takes(label, rng) for label in RAVDESS_CODES}
    actor = f"{number + 1:02d}"
    for position in range(8):
        for label in _shuffled(rng, list(RAVDESS_CODES)):
            if position < len(takes[label]):
                intensity, statement, repetition = takes[label][position]
                fields = (RAVDESS_CODES[label], intensity, statement, repetition)
                path = f"Actor_{actor}/01-01-{'-'.join(f'{field:02d}' for field in fields)}-{actor}.mp4"
                yield PlannedClip(
                    path,
                    "ravdess",
                    actor,
                    _SEXES[number % 2],
                    label,
                    ("normal", "strong")[intensity - 1],
                    str(statement),
                )


def _ravdess_takes(label: str, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """All (intensity, statement, repetition) of an emotion in complementary pairs; neutral has one
    intensity.
    """
    half = [(1, statement, repetition) for statement in (1, 2) for repetition in (1, 2)]
    if label == "neutral":
        first = _shuffled(rng, half[:2])
        return [first[0], half[2], first[1], half[3]]
    pairs = [[take, (2, 3 - take[1], take[2])] for take in _shuffled(rng, half)]
    return [take for pair in pairs for take in _shuffled(rng, pair)]


CUSTOM_LABELS = {"natural": "neutral", "calm": "calm", "happy": "happy", "sad": "sad"}
CUSTOM_LABELS |= {"angry": "angry", "fear": "fearful", "disgusted": "disgust", "surprised": "surprised"}


def custom(number: int, rng: np.random.Generator) -> Iterator[PlannedClip]:
    """<sentence>_<speaker>_<emotion>_<take>.mov; every emotion in every sentence, then further takes."""
    speaker = f"P{number + 1:02d}"
    for take in range(1, 100):
        for sentence in ("S1", "S2", "S3"):
            for alias, label in CUSTOM_LABELS.items():
                path = f"{sentence}_{speaker}_{alias}_{take}.mov"
                yield PlannedClip(
                    path, "custom", speaker, _SEXES[number % 2], label, _intensity(rng), sentence
                )


CREMA_SENTENCES = ["DFA", "IEO", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI"]
CREMA_ACTORS, CREMA_STEP = 91, 37  # The step has no divisor in common with the number of actors.
CREMA_CODES = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}


def crema_d(number: int, rng: np.random.Generator) -> Iterator[PlannedClip]:
    """Rounds of all six emotions, a sentence per round; one sentence is said at three levels."""
    speaker = str(1001 + number)
    for sentence in _shuffled(rng, CREMA_SENTENCES):
        for code, label in CREMA_CODES.items():
            strong = _intensity(rng) == "strong"
            level = "XX" if sentence != "IEO" or code == "NEU" else ("HI" if strong else "LO")
            path = f"AudioWAV/{speaker}_{sentence}_{code}_{level}.wav"
            yield PlannedClip(
                path,
                "crema_d",
                speaker,
                _SEXES[number % 2],
                label,
                "strong" if strong else "normal",
                sentence,
            )


def crema_d_seen(number: int, rng: np.random.Generator) -> Iterator[PlannedClip]:
    """The clips of ``crema_d`` with picture, as in the real corpus's VideoFlash; the actors are spread over
    all 91, so that every fold of ``hicmae5`` holds out some.
    """
    speaker = str(1001 + number * CREMA_STEP % CREMA_ACTORS)
    for clip in crema_d(number, rng):
        name = clip.path.split("/")[1].removesuffix(".wav").split("_", 1)[1]
        yield replace(clip, path=f"VideoFlash/{speaker}_{name}.flv", speaker=speaker)


def shemo(number: int, rng: np.random.Generator) -> Iterator[PlannedClip]:
    """Fear and surprise seldom, as in the real corpus."""
    sex = _SEXES[number % 2]
    speaker = f"{sex[0].upper()}{number // 2 + 1:02d}"
    names = {"A": "angry", "F": "fearful", "H": "happy", "N": "neutral", "S": "sad", "W": "surprised"}
    counts = dict.fromkeys(names, 0)
    while max(counts.values()) < 99:
        for code in "ANHSWFANHS":
            counts[code] += 1
            path = f"{sex}/{speaker}{code}{counts[code]:02d}.wav"
            yield PlannedClip(
                path, "shemo", speaker, sex, names[code], _intensity(rng), str(rng.integers(40))
            )


SDC_SOURCES = ["8Njah_Mn_Almot", "khalatt_20", "News", "TikTok", "MANDOOB (Night Courier)"]
_FOUR = {"ang": "angry", "hap": "happy", "nat": "neutral", "sad": "sad"}


def sdc(number: int, rng: np.random.Generator) -> Iterator[PlannedClip]:
    """One voice per source folder: plain, with a wavs/ folder below, or with a folder per emotion."""
    source = SDC_SOURCES[number] if number < len(SDC_SOURCES) else f"khalatt_{number + 16}"
    for index in range(400):
        for code, label in _FOUR.items():
            if source.startswith("MANDOOB"):
                path = f"{source}/{code}/{index + 1:03d}.WAV"
            else:
                path = f"{source}/{'wavs/' if number % 2 else ''}{index + 1:03d}_seg_{code}.wav"
            yield PlannedClip(
                path, "sdc", source, _SEXES[number % 2], label, _intensity(rng), str(rng.integers(200))
            )


def urdu(number: int, rng: np.random.Generator) -> Iterator[PlannedClip]:
    """Angry/SM1_F10_A010.wav: a folder per emotion, then sex, speaker, film and number."""
    sex = _SEXES[number % 2]
    speaker = f"S{sex[0].upper()}{number // 2 + 1}"
    for index in range(400):
        for label in _FOUR.values():
            name = label.capitalize()
            path = f"{name}/{speaker}_F{number + 1}_{name[0]}{index + 1:03d}.wav"
            yield PlannedClip(path, "urdu", speaker, sex, label, _intensity(rng), str(rng.integers(200)))


def _intensity(rng: np.random.Generator) -> str:
    return "strong" if rng.random() < 0.5 else "normal"


PLANS: dict[str, Plan] = {
    "ravdess": ravdess,
    "custom": custom,
    "crema_d": crema_d,
    "shemo": shemo,
    "sdc": sdc,
    "urdu": urdu,
}
# The same corpora, with pictures where the real ones have some.
SEEN_PLANS: dict[str, Plan] = PLANS | {"crema_d": crema_d_seen}
MOST_SPEAKERS = {"ravdess": 24, "custom": 99, "crema_d": 91, "shemo": 87, "sdc": 60, "urdu": 60}


def clips(
    adapter: str, speakers: int, per_speaker: int, seed: int, pictures: bool = False
) -> list[PlannedClip]:
    """All clips of a corpus; with ``pictures`` also those of CREMA-D are seen. Raises MferError when the real
    corpus's naming has no room for so many.
    """
    plan = (SEEN_PLANS if pictures else PLANS)[adapter]
    if speakers > MOST_SPEAKERS[adapter]:
        raise MferError(
            f"the demo of {adapter} has at most {MOST_SPEAKERS[adapter]} speakers, not {speakers}"
        )
    planned = []
    for number in range(speakers):
        listed = list(_first(plan(number, generator(seed, adapter, number, "plan")), per_speaker))
        if len(listed) < per_speaker:
            raise MferError(
                f"the demo of {adapter} has at most {len(listed)} clips per speaker, not {per_speaker}"
            )
        planned += listed
    return planned


def _first(items: Iterator[PlannedClip], count: int) -> Iterator[PlannedClip]:
    yield from (item for item, _ in zip(items, range(count), strict=False))
