"""Declared label sets, and the names that corpora, checkpoints and people give to emotions.

Label ids exist only inside a declared set; everything else uses names.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json, write_json

if TYPE_CHECKING:
    import pandas as pd

EMOTIONS = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")

LABEL_SETS: dict[str, tuple[str, ...]] = {
    # Order of RAVDESS's codes 01..08 (reference method, "class ids in RAVDESS").
    "eight": ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    # FER-2013's order of codes 0..6.
    "seven": ("angry", "disgust", "fearful", "happy", "sad", "surprised", "neutral"),
    # Stage 2a: what CREMA-D, ShEMO, SDC and URDU share.
    "four": ("angry", "happy", "neutral", "sad"),
}
EIGHT = LABEL_SETS["eight"]  # The classes of a benchmark unless others are declared.
# Further names that corpora and checkpoints use; the settings declare those that are used.
FURTHER = ("amused", "anxious", "bored", "confused", "contempt", "excited", "frustrated")
NAMES = (*EMOTIONS, *FURTHER)
# A class is a column of tables that have columns of these names too.
RESERVED = frozenset(
    (
        *("arm", "clip_id", "confidence", "corpus", "draw", "end_s", "fold", "label", "path", "person"),
        *("predicted", "protocol", "reason", "seed", "setting", "speaker", "start_s"),
    )
)
LABEL = re.compile(r"[a-z][a-z0-9 _-]*")

# Every name a distributed corpus, checkpoint or person is known to use, beside the label itself.
_NAMES: dict[str, str] = {
    "angry": "anger ang mad furious غضب غاضب غاضبة",
    "calm": "calmness calmly relaxed هدوء هادئ هادئة",
    "disgust": "disgusted disgusting اشمئزاز مشمئز مشمئزة قرف",
    "fearful": "fear afraid scared خوف خائف خائفة",
    "happy": "happiness hap joy joyful فرح فرحان فرحة سعادة سعيد سعيدة",
    "neutral": "natural neu normal محايد محايدة حياد طبيعي طبيعية عادي",
    "sad": "sadness حزن حزين حزينة",
    "surprised": "surprise مفاجأة متفاجئ متفاجئة تفاجؤ دهشة مندهش مندهشة",
    "amused": "amusement",
    "anxious": "anxiety",
    "bored": "boredom",
    "confused": "confusion",
    "contempt": "contemptuous",
    "excited": "excitement exc",
    "frustrated": "frustration fru",
}
ALIASES: dict[str, str] = {alias: name for name, aliases in _NAMES.items() for alias in aliases.split()}

_ARABIC_FORMS = str.maketrans({"ى": "ي", "ی": "ي", "ة": "ه", "ـ": None})
_ARTICLE = "ال"


def label_set(name: str) -> tuple[str, ...]:
    """The names of a declared set, in id order. Raises MferError naming the choices."""
    if name not in LABEL_SETS:
        raise MferError(f"unknown label set {name!r}: choose one of {', '.join(LABEL_SETS)}")
    return LABEL_SETS[name]


@dataclass(frozen=True)
class LabelSet:
    """The classes of a benchmark, and what its other labels count as. Every mapping is explicit."""

    classes: tuple[str, ...] = EIGHT  # in the order of their ids
    # label -> the class that its clips count as; None leaves them out
    mapping: Mapping[str, str | None] = field(default_factory=dict)
    crowd_share: float = 0.0  # how much of what is learned of a clip is the crowd's vote

    def class_of(self, label: str) -> str | None:
        """The class of a label, None where its clips are left out. Raises MferError for one that is not
        declared.
        """
        if label in self.mapping:
            return self.mapping[label]
        if label not in self.classes:
            raise MferError(
                f"clips are labelled {label!r}, which is no class ({', '.join(self.classes)}): add it to "
                "labels.classes, or say in labels.mapping which class it counts as (empty: it is left out)"
            )
        return label

    def classify(self, manifest: "pd.DataFrame") -> "pd.DataFrame":
        """The clips of a manifest that have a class, with that in column ``label``."""
        classes = {label: self.class_of(label) for label in sorted(manifest.label.unique())}
        counted = manifest.assign(label=manifest.label.map(classes))
        return counted[counted.label.notna()]

    def crowd_classes(self, votes: str | None) -> list[str]:
        """The classes that a crowd's ``votes`` ("angry:disgust") name; none without votes or of other
        labels.
        """
        named = [self.mapping.get(vote, vote) for vote in votes.split(":")] if isinstance(votes, str) else []
        return [name for name in named if name in self.classes]

    def occurring(self, labels: Iterable[str]) -> "LabelSet":
        """The set without the classes that are not among ``labels``: nothing can be learned of those."""
        there = set(labels)
        return replace(self, classes=tuple(name for name in self.classes if name in there))

    def write(self, path: Path) -> None:
        write_json(path, {**asdict(self), "mapping": dict(self.mapping)})

    @classmethod
    def read(cls, path: Path) -> "LabelSet":
        """Raises MferError naming the file where it is missing."""
        values = read_json(path)
        return cls(tuple(values["classes"]), values["mapping"], values["crowd_share"])


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
    return {fold_name(name): name for name in NAMES} | {
        fold_name(alias): name for alias, name in ALIASES.items()
    }


def canonical(name: str, aliases: dict[str, str] | None = None) -> str:
    """Map a label as a corpus, a checkpoint or a person writes it to one of ``EMOTIONS``.

    ``aliases`` are a person's own and win; a further label is declared by being its own alias. Raises
    MferError naming the label and the choices.
    """
    text = fold_name(name)
    personal = {fold_name(key): value for key, value in (aliases or {}).items()}
    label = personal.get(text) or _known().get(text)
    declared = {value for key, value in personal.items() if key == fold_name(value)}
    if label not in declared.union(EMOTIONS):
        raise MferError(
            f"unknown label {name!r}: use one of {', '.join(EMOTIONS)} or add it to the corpus's aliases"
        )
    return label


def head_classes(labels: Iterable[str], declared: Iterable[str] = ()) -> list[str | None]:
    """The classes of an encoder's own classifier as names of ``declared``, which win, or of ``NAMES``; None
    where there is no counterpart ("other", "<unk>").
    """
    known = _known() | {fold_name(name): name for name in declared}
    return [known.get(fold_name(label)) for label in labels]
