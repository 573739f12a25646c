"""What a corpus module offers, and the defaults it may leave as they are.

A corpus is one module of ``mfer_core.corpora``. Its docstring is the datasheet (source, licence, size, what a
name means). It must have

    SOURCE: sources.Source         where to get it, its licence, what can be fetched
    LANGUAGE: str | None           ISO 639-1, None where clips differ or nothing is spoken
    read(path, metadata) -> Facts  what the name says; ``path`` is relative to the corpus's folder, "/" as
    separator;
                                   raises ClipError(reason, detail) for a file that is not used

and may have, in place of the defaults in this module,

    prepare(folder, corpus) -> metadata          what the corpus says beside its names, read once (tables,
    settings);
                                                 all the others get it
    find(folder, metadata) -> list[str]          the relative paths of all files that claim to be clips
    measure(folder, paths, metadata, workers)    yield (path, Measured or ClipError) for every path
    notes(folder, metadata) -> list[str]         what a person should know, one sentence each

A corpus of face images, which the ViT is trained on, also has

    read_faces(folder, manifest) -> uint8        grey levels [N, height, width] of the manifest's images

``registry.adapter`` puts both together as an ``Adapter``.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from mfer_core.base.errors import ClipError, typed_line
from mfer_core.base.files import sha256_file
from mfer_core.base.folders import check_file, list_files
from mfer_core.base.workers import shared_workers
from mfer_core.corpora.sources import Source
from mfer_core.media.kinds import is_media, is_side_file
from mfer_core.media.probe import Media, probe

MEASURE_LIMIT_S = 600.0  # The time limit for one file, enough to hash some gigabytes on a slow disk.
log = logging.getLogger("mfer")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a file's name (and the corpus's side files) say about a clip. Unknown is None."""

    label: str  # one of mfer_core.base.labels.EMOTIONS, or a declared one
    speaker: str | None = None  # the corpus's own id
    sex: str | None = None
    age: int | None = None  # years
    race: str | None = None
    ethnicity: str | None = None
    language: str | None = None  # The clip's language in place of the module's LANGUAGE.
    intensity: str | None = None
    statement: str | None = None
    repetition: str | None = None
    split: str | None = None
    crowd_visual: str | None = None  # as in mfer_core.base.manifest.Clip
    crowd_audio: str | None = None
    crowd_fused: str | None = None
    take: str | None = None  # files of the same take are one clip
    rank: int = 0  # among the files of a take the lowest is used
    silent_track: bool = False  # the audio track is known to hold nothing
    longest_s: float | None = None  # a longer file is not the clip its name promises


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Content of a file: hex SHA-256 of what identifies it, and what its container holds."""

    sha256: str
    media: Media


@dataclass(frozen=True)
class Adapter:
    """A corpus module with the defaults for what it leaves out."""

    name: str
    source: Source
    language: str | None
    read: Callable[[str, Any], Facts]
    prepare: Callable[[Path, Any], Any]
    find: Callable[[Path, Any], list[str]]
    measure: Callable[[Path, list[str], Any, int], Iterator[tuple[str, Measured | ClipError]]]
    notes: Callable[[Path, Any], list[str]]
    read_faces: Callable[[Path, pd.DataFrame], np.ndarray] | None  # None: the corpus holds no images of faces


def prepare(folder: Path, corpus: Any) -> None:
    """The default: file names alone give the facts."""


def find(folder: Path, metadata: Any) -> list[str]:
    """All files below ``folder`` but hidden ones, tables, texts, code and archives, sorted. Links are
    followed.
    """
    return [path for path in list_files(folder).files if not is_side_file(PurePosixPath(path))]


def measure(
    folder: Path, paths: list[str], metadata: Any, workers: int
) -> Iterator[tuple[str, Measured | ClipError]]:
    """Hash and probe files in processes of their own, in the order of ``paths``.

    Whatever the probe does at one file is a reason of that file: its containers come from anywhere, and a
    fault that all files cause is above the limit of rejects. It is logged whole.
    """
    pool = shared_workers(workers, "mfer_core.media.probe")
    files = [(folder / path).absolute() for path in paths]
    yield from zip(paths, pool.map(_measure_file, files, MEASURE_LIMIT_S), strict=True)


def _measure_file(file: Path) -> Measured | ClipError:
    try:
        check_file(file)
        return Measured(media=probe(file), sha256=sha256_file(file))
    except ClipError as error:
        if error.reason == "unreadable" and not is_media(file):
            return ClipError("not a media file")
        return error
    except OSError as error:
        return ClipError("unreadable", error.strerror or str(error))
    except MemoryError:
        raise
    except Exception as error:
        log.exception("%s: the probe failed", file)
        return ClipError("unreadable", typed_line(error))


def notes(folder: Path, metadata: Any) -> list[str]:
    """The default: no notes."""
    return []
