"""Which of several files with the same content, or of the same take, is used."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from mfer_core.corpora.contract import Facts, Measured
from mfer_core.errors import ClipError


@dataclass(frozen=True)
class Candidate:
    """A file that can be read and whose name is understood."""

    path: str
    facts: Facts
    measured: Measured


def drop_duplicates(candidates: list[Candidate], rejected: dict[str, ClipError]) -> list[Candidate]:
    """Keep the first (by stem, then path) of each content; none where its copies carry different labels.

    What falls out is added to ``rejected`` by path.
    """
    kept = []
    for group in _groups(candidates, lambda candidate: candidate.measured.sha256):
        first, *others = sorted(group, key=lambda candidate: (PurePosixPath(candidate.path).stem, candidate.path))
        if len({candidate.facts.label for candidate in group}) > 1:
            rejected |= {one.path: _conflict(one, group) for one in group}
            continue
        rejected |= {other.path: ClipError("duplicate", f"same content as {first.path}, which is kept") for other in others}
        kept.append(first)
    return kept


def _conflict(one: Candidate, group: list[Candidate]) -> ClipError:
    others = ", ".join(f"{other.facts.label} in {other.path}" for other in group if other is not one)
    return ClipError("conflicting duplicate", f"same content: {one.facts.label} here, {others}")


def drop_takes(candidates: list[Candidate], rejected: dict[str, ClipError]) -> list[Candidate]:
    """Keep one file of each take, in path order: the lowest rank, then the one with more tracks, then the first path.

    What falls out is added to ``rejected`` by path.
    """
    kept = []
    for group in _groups(candidates, lambda candidate: candidate.facts.take or f"/{candidate.path}"):
        best, *others = sorted(group, key=_preference)
        rejected |= {other.path: ClipError("same take", f"as {best.path}, which is used") for other in others}
        kept.append(best)
    return sorted(kept, key=lambda candidate: candidate.path)


def _preference(candidate: Candidate) -> tuple:
    media = candidate.measured.media
    return candidate.facts.rank, not media.has_video, not media.has_audio, candidate.path


def _groups(candidates: Iterable[Candidate], key: Callable[[Candidate], str]) -> Iterable[list[Candidate]]:
    groups: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        groups[key(candidate)].append(candidate)
    return groups.values()
