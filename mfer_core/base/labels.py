"""Declared label sets, and the names that corpora, checkpoints and people give to emotions.

Label ids exist only inside a declared set; everything else uses names.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache

from mfer_core.base.errors import MferError

EMOTIONS = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")

LABEL_SETS: dict[str, tuple[str, ...]] = {
    # Order of RAVDESS's codes 01..08 (reference method, "class ids in RAVDESS").
    "eight": ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    # FER-2013's order of codes 0..6.
    "seven": ("angry", "disgust", "fearful", "happy", "sad", "surprised", "neutral"),
    # Stage 2a: what CREMA-D, ShEMO, SDC and URDU share.
    "four": ("angry", "happy", "neutral", "sad"),
}
CLASSES = LABEL_SETS["eight"]  # The classes of the benchmark, in the order of their ids.

# Every name a distributed corpus, checkpoint or person is known to use, beside the eight themselves.
_NAMES: dict[str, str] = {
    "angry": "anger mad furious غضب غاضب غاضبة",
    "calm": "calmness calmly relaxed هدوء هادئ هادئة",
    "disgust": "disgusted disgusting اشمئزاز مشمئز مشمئزة قرف",
    "fearful": "fear afraid scared خوف خائف خائفة",
    "happy": "happiness joy joyful فرح فرحان فرحة سعادة سعيد سعيدة",
    "neutral": "natural normal محايد محايدة حياد طبيعي طبيعية عادي",
    "sad": "sadness حزن حزين حزينة",
    "surprised": "surprise مفاجأة متفاجئ متفاجئة تفاجؤ دهشة مندهش مندهشة",
}
ALIASES: dict[str, str] = {alias: name for name, aliases in _NAMES.items() for alias in aliases.split()}

_ARABIC_FORMS = str.maketrans({"ى": "ي", "ی": "ي", "ة": "ه", "ـ": None})
_ARTICLE = "ال"


def label_set(name: str) -> tuple[str, ...]:
    """The names of a declared set, in id order. Raises MferError naming the choices."""
    if name not in LABEL_SETS:
        raise MferError(f"unknown label set {name!r}: choose one of {', '.join(LABEL_SETS)}")
    return LABEL_SETS[name]


def count_labels(labels: Iterable[str], names: Iterable[str] = EMOTIONS) -> dict[str, int | None]:
    """How often each of ``names`` occurs; None (absent), never 0, for one that does not.

    Raises MferError for a label outside ``names``.
    """
    counts = Counter(labels)
    by_name = {name: counts.pop(name, None) for name in names}
    if counts:
        raise MferError(
            f"labels outside the set: {', '.join(sorted(map(str, counts)))}; it has {', '.join(by_name)}"
        )
    return by_name


def fold_name(name: str) -> str:
    """A name as it is compared: case, accents, vowel signs, hamza seats, tatweel and the article ``ال`` do
    not count.
    """
    text = unicodedata.normalize("NFKD", name.strip()).casefold()
    text = "".join(sign for sign in text if not unicodedata.combining(sign)).translate(_ARABIC_FORMS)
    return text.removeprefix(_ARTICLE) if len(text) > len(_ARTICLE) + 2 else text


@cache
def _known() -> dict[str, str]:
    return {fold_name(name): name for name in EMOTIONS} | {
        fold_name(alias): name for alias, name in ALIASES.items()
    }


def canonical(name: str, aliases: dict[str, str] | None = None) -> str:
    """Map a label as a corpus, a checkpoint or a person writes it to one of ``EMOTIONS``.

    ``aliases`` are a person's own and win. Raises MferError naming the label and the choices.
    """
    text = fold_name(name)
    personal = {fold_name(key): value for key, value in (aliases or {}).items()}
    emotion = personal.get(text) or _known().get(text)
    if emotion not in EMOTIONS:
        raise MferError(
            f"unknown label {name!r}: use one of {', '.join(EMOTIONS)} or add it to the corpus's aliases"
        )
    return emotion


def head_classes(labels: Iterable[str]) -> list[str | None]:
    """The classes of an encoder's own classifier as names of ``EMOTIONS``; None where there is no counterpart
    ("other", "<unk>").
    """
    known = _known()
    return [known.get(fold_name(label)) for label in labels]
