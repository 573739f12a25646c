"""Fold protocols by name: which speakers are held out, and on what the checkpoint is picked.

Sources: Luna-Jimenez et al. 2021/2022 (luna5), EmoBox (emobox6), HiCMAE (hicmae6, CREMA-D's hicmae5),
Chumachenko et al. 2022 (chumachenko), Atmaja & Sasou 2022 (statement), and the reference method's own code
(report5).

``statement`` holds out a sentence and keeps its speakers: on real RAVDESS an SVM loses there a quarter of
what it loses on new people, so that its figures are no figures about new people. ``statement+luna5`` and
``statement+loso`` hold out both.
"""

from dataclasses import dataclass

from mfer_core.base.errors import MferError
from mfer_core.base.settings.types import PRESET_CORPUS, PROTOCOL, PROTOCOLS

PARTS = ("train", "valid", "test")
Actors = frozenset[int]


def _groups(*groups: range | tuple[int, ...]) -> tuple[Actors, ...]:
    return tuple(frozenset(group) for group in groups)


# Actor numbers held out per fold.
HELD_OUT: dict[str, tuple[Actors, ...]] = {
    "luna5": _groups(
        (2, 5, 14, 15, 16), (3, 6, 7, 13, 18), (10, 11, 12, 19, 20), (8, 17, 21, 23, 24), (1, 4, 9, 22)
    ),
    "emobox6": _groups(
        (1, 11, 20, 21), (4, 10, 12, 14), (8, 9, 19, 23), (3, 5, 7, 24), (2, 15, 16, 18), (6, 13, 17, 22)
    ),
    "hicmae6": _groups(*(range(start, start + 4) for start in range(1, 25, 4))),
    "chumachenko": _groups((5, 10, 16, 19)),
    "hicmae5": _groups(
        range(1001, 1019), range(1019, 1037), range(1037, 1055), range(1055, 1073), range(1073, 1092)
    ),
}
# Actors that the published split sets aside for choosing the checkpoint.
VALIDATION: dict[str, Actors] = {"chumachenko": frozenset((11, 13, 18, 22))}
# How many actors that corpus has as published: a preset over fewer is not the published one.
PRESET_ACTORS = {"ravdess": 24, "crema_d": 91}

STATEMENT = "statement+"  # The prefix of a protocol whose test speakers are heard in one statement only.


@dataclass(frozen=True)
class Protocol:
    """What a protocol promises. ``name`` is as in the settings."""

    name: str

    @property
    def speakers_by(self) -> str:
        """The protocol that says which speakers are held out: the name itself but for a statement held out
        beside them.
        """
        return self.name.removeprefix(STATEMENT)

    @property
    def kind(self) -> str:
        """Which rule holds speakers out: preset, loso, groupk; or shares them: report5, statement."""
        if self.speakers_by in HELD_OUT:
            return "preset"
        return "groupk" if self.speakers_by.startswith("groupk") else self.speakers_by.split("-")[0]

    @property
    def leaky(self) -> bool:
        """Whether clips are dealt at random, so that people and their sentences are on both sides."""
        return self.kind == "report5"

    @property
    def honest(self) -> bool:
        """Whether the people of the test part are new: only such figures say something about other people."""
        return self.kind not in ("report5", "statement")

    @property
    def holds_out_statement(self) -> bool:
        """Whether the test part's sentence occurs in no other part."""
        return self.name.startswith("statement")

    @property
    def peeks(self) -> bool:
        """Whether the checkpoint is picked on the part that is reported."""
        return self.name == "report5"

    @property
    def inner(self) -> bool:
        """Whether the checkpoint is picked on an inner split of what may be trained on, so that training may
        take it back.
        """
        return not self.peeks and self.speakers_by not in VALIDATION

    @property
    def checkpoint(self) -> str:
        """On what the checkpoint is picked, for tables."""
        if self.peeks:
            return "the reported test fold (reference's rule)"
        if self.name == "report5-inner":
            return "inner split of the training clips"
        if self.speakers_by in VALIDATION:
            return "the published validation actors"
        return "inner split of the training speakers"

    @property
    def label(self) -> str:
        """Name for tables: a protocol whose test people were trained on never goes without the word."""
        if self.leaky:
            return f"{self.name} (leaky)"
        return self.name if self.honest else f"{self.name} (same speakers)"

    def partial(self, speakers: int) -> bool:
        """Whether a preset is made of fewer ``speakers`` than its corpus has as published."""
        corpus = PRESET_CORPUS.get(self.speakers_by)
        return corpus is not None and speakers < PRESET_ACTORS[corpus]

    def label_with(self, speakers: int) -> str:
        """``label``, and how many of the published actors there are where some are missing."""
        if not self.partial(speakers):
            return self.label
        return f"{self.label}, {speakers} of {PRESET_ACTORS[PRESET_CORPUS[self.speakers_by]]} actors"


def protocol(name: str) -> Protocol:
    """Look a protocol up. Raises MferError listing the choices."""
    if not PROTOCOL.fullmatch(name):
        raise MferError(f"unknown protocol {name!r}: choose among {', '.join(PROTOCOLS)}")
    return Protocol(name)


def folds_of(name: str) -> int:
    """k of ``groupk:<k>``."""
    return int(name.split(":")[1])
