"""Shards: a stage's rows, one per clip, cut into files of a few hundred clips, keyed, resumable,
history-free.

A clip's shard follows from its id alone, so the same clips and keys give the same files whatever was computed
before, and a changed clip touches one shard. Rows whose key still holds are taken over, never computed again.
"""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from mfer_core.base.errors import MferError
from mfer_core.base.files import atomic_path

Row = TypeVar("Row")
OTHER_SUFFIXES = {".arrow": ".parquet", ".parquet": ".arrow"}


@dataclass(frozen=True)
class Shard:
    """Some clips of a corpus: file name without suffix, and clip_id -> key in clip_id order."""

    name: str
    keys: dict[str, str]


def partition(keys: Mapping[str, str], shard_clips: int) -> list[Shard]:
    """Cut clips into about ``len(keys) / shard_clips`` shards; the count is a power of two, so growth moves
    few clips.
    """
    count = 1
    while count * shard_clips < len(keys):
        count *= 2
    buckets: list[dict[str, str]] = [{} for _ in range(count)]
    for clip_id in sorted(keys):
        buckets[zlib.crc32(clip_id.encode()) % count][clip_id] = keys[clip_id]
    return [Shard(f"{number:04d}-of-{count:04d}", bucket) for number, bucket in enumerate(buckets) if bucket]


def _may_share(name: str, other: str) -> bool:
    """Whether two shards of different partitions can hold the same clip: both counts are powers of two, so a
    clip's numbers in both agree in the smaller one's bits. A file of another name may hold any clip.
    """
    (number, _, count), (other_number, _, other_count) = name.partition("-of-"), other.partition("-of-")
    if count == other_count:
        return False
    if not (number.isdecimal() and count.isdecimal()):
        return True
    smaller = min(int(count), int(other_count)) or 1
    return int(number) % smaller == int(other_number) % smaller


def shard_files(folder: Path, suffix: str, stage: str) -> list[Path]:
    """The files of a folder of shards, in order. Raises MferError when ``stage`` has not written it, or in
    another format.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MferError(f"no shards at {folder}: run the stage that writes them first ({stage})")
    files = sorted(folder.glob(f"[0-9]*{suffix}"))
    if not files and any(folder.glob(f"[0-9]*{OTHER_SUFFIXES[suffix]}")):
        raise MferError(f"{folder} was written by an earlier version: run {stage} again")
    return files


class ShardFolder(ABC, Generic[Row]):
    """One folder of shards with a row per clip; a subclass says how a file is read and written."""

    suffix: str

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self._pairs: dict[Path, dict[tuple[str, str], int]] = {}  # (clip_id, key) -> row of a file

    @abstractmethod
    def read_pairs(self, path: Path) -> Iterable[tuple[str, str]]:
        """(clip_id, key) of a file's rows, in order."""

    @abstractmethod
    def read_row(self, path: Path, number: int) -> Row:
        """One row of a file."""

    @abstractmethod
    def write_rows(self, path: Path, rows: Iterable[Row]) -> None:
        """Write a file of some rows, in clip_id order."""

    def files(self) -> list[Path]:
        return sorted(self.folder.glob(f"[0-9]*{self.suffix}"))

    def path(self, shard: Shard) -> Path:
        return self.folder / f"{shard.name}{self.suffix}"

    def _held(self, path: Path) -> dict[tuple[str, str], int]:
        if path not in self._pairs:
            pairs = self.read_pairs(path) if path.exists() else ()
            self._pairs[path] = {pair: number for number, pair in enumerate(pairs)}
        return self._pairs[path]

    def _sources(self, shard: Shard) -> dict[str, tuple[Path, int]]:
        """Which file and row hold each of the shard's clips under the right key: its own file, or one of
        another partition.

        Other files of its own partition hold other clips, and most files of another one do too, so a stage
        looks at few files however many there are.
        """
        others = [path for path in self.files() if _may_share(path.stem, shard.name)]
        pairs = shard.keys.items()
        return {
            pair[0]: (path, self._held(path)[pair])
            for path in (*others, self.path(shard))
            for pair in pairs & self._held(path).keys()
        }

    def holds(self, shard: Shard) -> bool:
        """Whether the shard's file is there and holds exactly its clips under their keys."""
        path = self.path(shard)
        return path.exists() and self._held(path).keys() == shard.keys.items()

    def missing(self, shard: Shard) -> list[str]:
        """The clip_ids of a shard that no file holds under the right key, in order."""
        sources = self._sources(shard)
        return [clip_id for clip_id in shard.keys if clip_id not in sources]

    def fill(self, shard: Shard, new_row: Callable[[str], Row]) -> None:
        """Write a shard's file, whole or not at all: rows that are held are taken over, ``new_row`` gives the
        missing clips'.
        """
        sources = self._sources(shard)
        rows = (
            self.read_row(*sources[clip_id]) if clip_id in sources else new_row(clip_id)
            for clip_id in sorted(shard.keys)
        )
        with atomic_path(self.path(shard)) as temporary:
            self.write_rows(temporary, rows)
        self._pairs.pop(self.path(shard), None)

    def prune(self, shards: list[Shard]) -> None:
        """Remove files that belong to none of ``shards``, and what killed runs and earlier versions left.

        Call it once every shard is written.
        """
        kept = {self.path(shard) for shard in shards}
        for pattern in ("[0-9]*-of-[0-9]*.*", f".*.tmp{self.suffix}"):
            for path in {*self.folder.glob(pattern)} - kept:
                path.unlink()
                self._pairs.pop(path, None)
