"""Fold protocols by name: which speakers are held out, and on what the checkpoint is picked.

Sources: Luna-Jimenez et al. 2021/2022 (luna5), EmoBox (emobox6), HiCMAE (hicmae6, CREMA-D's hicmae5), Chumachenko et al.
2022 (chumachenko), Atmaja & Sasou 2022 (statement), and the reference method's own code (report5).
"""

import re
from dataclasses import dataclass

from mfer_core.base.errors import MferError

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

CHOICES = (*HELD_OUT, "report5", "report5-inner", "loso", "statement", "groupk:<folds>")
GROUPK = re.compile(r"groupk:([2-9]|[1-9][0-9]+)")


@dataclass(frozen=True)
class Protocol:
    """What a protocol promises. ``name`` is as in the settings."""

    name: str

    @property
    def kind(self) -> str:
        """Which rule makes its folds."""
        return (
            "preset"
            if self.name in HELD_OUT
            else "groupk"
            if self.name.startswith("groupk")
            else self.name.split("-")[0]
        )

    @property
    def honest(self) -> bool:
        """Whether nothing of the test part, neither its people (statement: its sentence) nor its labels, is seen before the end."""
        return self.kind != "report5"

    @property
    def speaker_disjoint(self) -> bool:
        return self.kind not in ("report5", "statement")

    @property
    def inner(self) -> bool:
        """Whether the checkpoint is picked on an inner split of what may be trained on, so that training may take it back."""
        return self.name != "report5" and self.name not in VALIDATION

    @property
    def checkpoint(self) -> str:
        """On what the checkpoint is picked, for tables."""
        if self.name == "report5":
            return "the reported test fold (reference's rule)"
        if self.name == "report5-inner":
            return "inner split of the training clips"
        return (
            "the published validation actors"
            if self.name in VALIDATION
            else "inner split of the training speakers"
        )

    @property
    def label(self) -> str:
        """Name for tables: a leaky protocol never goes without the word."""
        return self.name if self.honest else f"{self.name} (leaky)"


def protocol(name: str) -> Protocol:
    """Look a protocol up. Raises MferError listing the choices."""
    if name in CHOICES[:-1] or GROUPK.fullmatch(name):
        return Protocol(name)
    raise MferError(f"unknown protocol {name!r}: choose among {', '.join(CHOICES)}")


def folds_of(name: str) -> int:
    """k of ``groupk:<k>``."""
    return int(name.split(":")[1])
