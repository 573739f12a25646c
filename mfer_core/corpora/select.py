"""The choice among several files of the same take or with the same content."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar

from mfer_core.base.errors import ClipError
from mfer_core.corpora.contract import Facts, Measured

Item = TypeVar("Item")


@dataclass(frozen=True)
class Candidate:
    """A file that can be read and whose name is understood."""

    path: str
    facts: Facts
    measured: Measured


def order_takes(facts: dict[str, Facts]) -> list[list[str]]:
    """The paths of each take, the one to use first: the lowest rank, then the first path."""
    takes = _groups(facts, lambda path: facts[path].take or f"/{path}")
    return [sorted(paths, key=lambda path: (facts[path].rank, path)) for paths in takes]


def drop_duplicates(candidates: list[Candidate], rejected: dict[str, ClipError]) -> list[Candidate]:
    """Keep the first (by stem, then path) of each content; none where its copies carry different labels. In
    path order.

    What falls out is added to ``rejected`` by path.
    """
    kept = []
    for group in _groups(candidates, lambda candidate: candidate.measured.sha256):
        first, *others = sorted(
            group, key=lambda candidate: (PurePosixPath(candidate.path).stem, candidate.path)
        )
        if len({candidate.facts.label for candidate in group}) > 1:
            rejected |= {one.path: _conflict(one, group) for one in group}
            continue
        rejected |= {
            other.path: ClipError("duplicate", f"same content as {first.path}, which is kept")
            for other in others
        }
        kept.append(first)
    return sorted(kept, key=lambda candidate: candidate.path)


def _conflict(one: Candidate, group: list[Candidate]) -> ClipError:
    others = ", ".join(f"{other.facts.label} in {other.path}" for other in group if other is not one)
    return ClipError("conflicting duplicate", f"same content: {one.facts.label} here, {others}")


def _groups(items: Iterable[Item], key: Callable[[Item], str]) -> Iterable[list[Item]]:
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups.values()
