"""What a corpus module offers, and the defaults it may leave as they are.

A corpus is one module of ``mfer_core.corpora``. Its docstring is the datasheet (source, licence, size, what a name
means). It must have

    SOURCE: sources.Source         where to get it, its licence, what can be fetched
    LANGUAGE: str | None           ISO 639-1, None where clips differ or nothing is spoken
    SUFFIXES: frozenset[str]       lower case; files of any other kind are rejected as "not a media file"
    read(path, side) -> Facts      what the name says; ``path`` is relative to the corpus's folder, "/" as separator;
                                   raises ClipError(reason, detail) for a file that is not used

and may have, in place of the defaults in this module,

    prepare(folder, corpus) -> side              read side files once; ``side`` is passed to all the others
    find(folder, side) -> list[str]              the relative paths of all files that claim to be clips
    measure(folder, paths, side, workers)        yield (path, Measured or ClipError) for every path
    notes(folder, side) -> list[str]             what a person should know, one sentence each
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mfer_core.base.errors import ClipError
from mfer_core.base.files import sha256_file
from mfer_core.media.probe import Media, probe

AUDIO = frozenset({".wav", ".flac", ".mp3", ".m4a"})
VIDEO = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm", ".flv"})
# Files that come with corpora and never claim to be clips; so do hidden ones ("." in front) and __MACOSX.
_TABLES_AND_TEXTS = {
    ".csv",
    ".tsv",
    ".json",
    ".txt",
    ".md",
    ".pdf",
    ".html",
    ".xml",
    ".yaml",
    ".yml",
    ".parquet",
    ".xlsx",
    ".xls",
}
_ARCHIVES_AND_CODE = {
    ".zip",
    ".tar",
    ".gz",
    ".tgz",
    ".part",
    ".dvc",
    ".r",
    ".py",
    ".sh",
    ".ini",
    ".db",
    ".rtf",
    ".doc",
    ".docx",
}
SIDE_SUFFIXES = frozenset(_TABLES_AND_TEXTS | _ARCHIVES_AND_CODE)
SIDE_STEMS = frozenset({"readme", "license", "licence", "citation", "changelog", "makefile"})


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a file's name (and the corpus's side files) say about a clip. Unknown is None."""

    label: str  # one of mfer_core.base.labels.EMOTIONS
    speaker: str | None = None  # the corpus's own id
    sex: str | None = None
    language: str | None = None  # in place of the module's LANGUAGE
    intensity: str | None = None
    statement: str | None = None
    repetition: str | None = None
    split: str | None = None
    take: str | None = None  # files of the same take are one clip
    rank: int = 0  # among the files of a take the lowest is used
    silent_track: bool = False  # the audio track is known to hold nothing
    longest_s: float | None = None  # a longer file is not the clip its name promises


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Content of a file: hex SHA-256 of what identifies it, and what its container holds."""

    sha256: str
    media: Media


def prepare(folder: Path, corpus: Any) -> None:
    """No side files."""


def find(folder: Path, side: Any) -> list[str]:
    """All files below ``folder`` but hidden ones and side files, sorted, "/" as separator. Links are followed."""
    return sorted(path for path in walk(folder) if not _is_side_file(PurePosixPath(path)))


def walk(folder: Path) -> Iterator[str]:
    """Relative paths of all files that are not hidden; a folder reached twice through links is read once."""
    seen: set[str] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        yield from (
            (Path(root) / name).relative_to(folder).as_posix() for name in names if not name.startswith(".")
        )


def _is_side_file(path: PurePosixPath) -> bool:
    return path.suffix.lower() in SIDE_SUFFIXES or path.stem.lower() in SIDE_STEMS


def measure(
    folder: Path, paths: list[str], side: Any, workers: int
) -> Iterator[tuple[str, Measured | ClipError]]:
    """Hash and probe files in threads (both leave Python's lock), in the order of ``paths``."""

    def measure_file(path: str) -> Measured | ClipError:
        try:
            return Measured(media=probe(folder / path), sha256=sha256_file(folder / path))
        except ClipError as error:
            return error

    with ThreadPoolExecutor(workers) as pool:
        yield from zip(paths, pool.map(measure_file, paths), strict=True)


def notes(folder: Path, side: Any) -> list[str]:
    """Nothing to know."""
    return []
