"""Parquet shards: a stage's rows cut into files of a few hundred clips, keyed, resumable, history-free.

A clip's shard follows from its id alone, so the same clips and keys give the same files whatever was computed
before, and a changed clip touches one shard. Rows whose key still holds are taken over, never computed again.
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mfer_core.base.errors import MferError
from mfer_core.base.files import atomic_path


@dataclass(frozen=True)
class Shard:
    """Some clips of a corpus: file name without suffix, and clip_id -> key in clip_id order."""

    name: str
    keys: dict[str, str]


def partition(keys: Mapping[str, str], shard_clips: int) -> list[Shard]:
    """Cut clips into about ``len(keys) / shard_clips`` shards; the count is a power of two, so growth moves few clips."""
    count = 1
    while count * shard_clips < len(keys):
        count *= 2
    buckets: list[dict[str, str]] = [{} for _ in range(count)]
    for clip_id in sorted(keys):
        buckets[zlib.crc32(clip_id.encode()) % count][clip_id] = keys[clip_id]
    return [Shard(f"{number:04d}-of-{count:04d}", bucket) for number, bucket in enumerate(buckets) if bucket]


class ShardFolder:
    """One folder of shards with one schema (which starts with ``clip_id``, ``key``)."""

    def __init__(self, folder: Path, schema: pa.Schema, metadata: Mapping[str, object] | None = None):
        self.folder = Path(folder)
        self.schema = schema.with_metadata(
            {b"mfer": json.dumps(dict(metadata or {}), sort_keys=True).encode()}
        )
        self._pairs: dict[Path, set[tuple[str, str]]] = {}  # what a file holds, once looked at

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.parquet"))

    def path(self, shard: Shard) -> Path:
        return self.folder / f"{shard.name}.parquet"

    def _held(self, path: Path) -> set[tuple[str, str]]:
        if path not in self._pairs:
            rows = (
                pq.read_table(path, columns=["clip_id", "key"], partitioning=None)
                if path.exists()
                else self.schema.empty_table()
            )
            self._pairs[path] = set(zip(rows["clip_id"].to_pylist(), rows["key"].to_pylist(), strict=True))
        return self._pairs[path]

    def _sources(self, shard: Shard) -> dict[tuple[str, str], Path]:
        """Where the shard's clips are held under the right key: in its own file, or in one of another partition.

        Other files of its own partition hold other clips, so a stage looks at few files however many there are.
        """
        partition_of = shard.name.partition("-of-")[2]
        others = [path for path in self.files() if path.stem.partition("-of-")[2] != partition_of]
        pairs = set(shard.keys.items())
        return {pair: path for path in (*others, self.path(shard)) for pair in pairs & self._held(path)}

    def holds(self, shard: Shard) -> bool:
        """Whether the shard's file is there and holds exactly its clips under their keys."""
        path = self.path(shard)
        return path.exists() and self._held(path) == set(shard.keys.items())

    def missing(self, shard: Shard) -> list[str]:
        """The clip_ids of a shard that no file holds under the right key."""
        sources = self._sources(shard)
        return [clip_id for clip_id, key in shard.keys.items() if (clip_id, key) not in sources]

    def reusable(self, shard: Shard) -> pa.Table:
        """The rows of a shard's clips that are held under the right key, in whichever file."""
        wanted: dict[Path, list[str]] = {}
        for (clip_id, key), path in self._sources(shard).items():
            wanted.setdefault(path, []).append(f"{clip_id}\n{key}")
        tables = [self.schema.empty_table()]
        for path, pairs in sorted(wanted.items()):
            table = pq.read_table(path, partitioning=None).cast(self.schema)
            held = pc.binary_join_element_wise(table["clip_id"], table["key"], "\n")
            tables.append(table.filter(pc.is_in(held, pa.array(pairs, pa.string()))))
        return pa.concat_tables(tables)

    def write(self, shard: Shard, table: pa.Table) -> None:
        """Write a shard's rows atomically, in clip_id order (a clip's own row order is kept)."""
        order = pc.sort_indices(
            table.append_column("_row", pa.array(range(len(table)))),
            [("clip_id", "ascending"), ("_row", "ascending")],
        )
        with atomic_path(self.path(shard)) as temporary:
            pq.write_table(table.take(order).cast(self.schema), temporary, compression="zstd")
        self._pairs.pop(self.path(shard), None)

    def prune(self, shards: list[Shard]) -> None:
        """Remove files that belong to none of ``shards`` and what killed runs left; call it once every shard is written."""
        leftovers = self.folder.glob(".*.tmp.parquet")
        for path in {*self.files(), *leftovers} - {self.path(shard) for shard in shards}:
            path.unlink()
            self._pairs.pop(path, None)


def read_shards(folder: Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield the tables of a folder, one shard at a time. Raises MferError when the folder is missing."""
    if not Path(folder).is_dir():
        raise MferError(f"no shards at {folder}: run the stage that writes them first")
    for path in sorted(Path(folder).glob("[0-9]*.parquet")):
        yield pq.read_table(path, columns=columns, partitioning=None)


def read_metadata(folder: Path) -> dict:
    """The metadata that the folder's shards were written with ({} for a folder without shards)."""
    for path in sorted(Path(folder).glob("[0-9]*.parquet")):
        return json.loads(pq.read_schema(path).metadata[b"mfer"])
    return {}
