"""Embeddings in shards: uncompressed Arrow files, a row per clip, which every reader maps into memory.

The operating system keeps one copy of a file's pages for all processes, and drops them when memory is short:
there may be more embeddings than memory.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mfer_core.base.errors import MferError
from mfer_core.cache.schemas import embeddings_schema
from mfer_core.cache.shards import ShardFolder, shard_files

# The "kind" in the metadata of features that a person brought; their "hash" is that of the columns' names.
PRECOMPUTED = "precomputed"
# In the metadata of embeddings that hold several layers of an encoder one after the other: how many.
MIXED_LAYERS = "mixed_layers"
SUFFIX = ".arrow"


class EmbeddingRow(NamedTuple):
    """One clip's embeddings."""

    clip_id: str
    key: str  # The hash of everything that shaped the values.
    times_s: np.ndarray  # [T], centre of each step on the clip's clock, seconds
    values: np.ndarray  # [T, D]


class EmbeddingShards(ShardFolder[EmbeddingRow]):
    """A folder of embeddings to be written. ``metadata``: the encoder's name, revision and hash, and the
    ``dtype`` of values.
    """

    suffix = SUFFIX

    def __init__(self, folder: Path, metadata: dict):
        super().__init__(folder)
        self.metadata = metadata

    def read_pairs(self, path: Path) -> Iterable[tuple[str, str]]:
        batch = _map(path)
        return zip(batch["clip_id"].to_pylist(), batch["key"].to_pylist(), strict=True)

    def read_row(self, path: Path, number: int) -> EmbeddingRow:
        batch = _map(path)
        clip_id, key = batch["clip_id"][number].as_py(), batch["key"][number].as_py()
        times = batch["times_s"][number].values.to_numpy()
        start, end = batch["values"].offsets[number].as_py(), batch["values"].offsets[number + 1].as_py()
        return EmbeddingRow(clip_id, key, times, _steps(batch)[start:end])

    def write_rows(self, path: Path, rows: Iterable[EmbeddingRow]) -> None:
        clip_ids, keys, times, values = zip(*rows, strict=True)
        steps = np.concatenate(values).astype(self.metadata["dtype"], copy=False)
        flat = pa.FixedSizeListArray.from_arrays(pa.array(steps.reshape(-1)), steps.shape[1])
        offsets = pa.array(np.cumsum([0, *map(len, values)]), pa.int32())
        columns = [
            pa.array(clip_ids),
            pa.array(keys),
            pa.ListArray.from_arrays(offsets, pa.array(np.concatenate(times).astype(np.float32))),
            pa.ListArray.from_arrays(offsets, flat),
        ]
        schema = embeddings_schema(steps.shape[1], self.metadata["dtype"])
        about = {b"mfer": json.dumps(self.metadata, sort_keys=True).encode()}
        batch = pa.record_batch(columns, schema.with_metadata(about))
        with pa.ipc.new_file(str(path), batch.schema) as writer:
            writer.write_batch(batch)


class Embeddings(Mapping[str, np.ndarray]):
    """clip_id -> [T, D], a read-only view of the mapped files in the dtype that they are stored in, clips in
    order.
    """

    def __init__(self, batches: list[pa.RecordBatch], metadata: dict):
        self.metadata = metadata
        self._batches = batches
        self._steps = [_steps(batch) for batch in batches]
        offsets = [batch["values"].offsets.to_numpy() for batch in batches]
        clips = [clip for batch in batches for clip in batch["clip_id"].to_pylist()]
        order = sorted(range(len(clips)), key=clips.__getitem__)
        shards = np.repeat(np.arange(len(batches), dtype=np.int32), [len(batch) for batch in batches])
        starts = np.concatenate([np.zeros(0, np.int64), *(edges[:-1] for edges in offsets)])
        lengths = np.concatenate([np.zeros(0, np.int32), *(np.diff(edges) for edges in offsets)])
        self._row_of = {clips[i]: row for row, i in enumerate(order)}
        self._shards, self._starts = shards[order], starts[order]
        self.lengths = lengths[order]  # T of each clip, int32 [N]

    @property
    def dim(self) -> int:
        """D, the size of a step; 0 where there is no clip."""
        return self._steps[0].shape[1] if self._steps else 0

    def row(self, clip_id: str) -> int:
        """The clip's position among all clips: into ``lengths``, and for ``at``. Raises KeyError."""
        return self._row_of[clip_id]

    def at(self, row: int) -> np.ndarray:
        """[T, D] of the clip at a position."""
        start = self._starts[row]
        return self._steps[self._shards[row]][start : start + self.lengths[row]]

    def __getitem__(self, clip_id: str) -> np.ndarray:
        return self.at(self._row_of[clip_id])

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._row_of

    def __iter__(self) -> Iterator[str]:
        return iter(self._row_of)

    def __len__(self) -> int:
        return len(self._row_of)

    def row_keys(self) -> dict[str, str]:
        """clip_id -> key of everything that shaped its values."""
        keys: dict[str, str] = {}
        for batch in self._batches:
            keys |= dict(zip(batch["clip_id"].to_pylist(), batch["key"].to_pylist(), strict=True))
        return keys

    def times(self) -> dict[str, np.ndarray]:
        """clip_id -> [T], the centre of each step on the clip's clock, seconds (NaN where a person's features
        name none).
        """
        times: dict[str, np.ndarray] = {}
        for batch in self._batches:
            clips = batch["clip_id"].to_pylist()
            times |= {clip: row.values.to_numpy() for clip, row in zip(clips, batch["times_s"], strict=True)}
        return times

    def joined(self, other: "Embeddings") -> "Embeddings":
        """The clips of both, with this one's metadata."""
        return Embeddings([*self._batches, *other._batches], self.metadata)


def open_embeddings(folder: Path) -> Embeddings:
    """Map a folder of embeddings. Raises MferError when it is missing, of an earlier version or broken."""
    batches = [_map(path) for path in shard_files(folder, SUFFIX, "embed")]
    metadata = json.loads(batches[0].schema.metadata[b"mfer"]) if batches else {}
    return Embeddings(batches, metadata)


def _map(path: Path) -> pa.RecordBatch:
    """The rows of a shard's file; the mapping lives as long as the rows do, but the file is closed."""
    try:
        with pa.memory_map(str(path)) as source:
            return pa.ipc.open_file(source).get_batch(0)
    except (OSError, pa.ArrowException) as error:
        raise MferError(f"cannot read {path}: {error}; remove it and run embed again") from error


def _steps(batch: pa.RecordBatch) -> np.ndarray:
    """[steps of all clips, D], not copied."""
    lists = batch["values"].values
    return lists.values.to_numpy(zero_copy_only=True).reshape(-1, lists.type.list_size)


def same_encoder(first: dict, second: dict) -> bool:
    """Whether two folders' metadata say that one model can read both; files of features with the same columns
    may differ.
    """
    of_file = ("name", "file_sha256")
    if PRECOMPUTED in (first.get("kind"), second.get("kind")):
        first, second = (
            {key: value for key, value in one.items() if key not in of_file} for one in (first, second)
        )
    return first == second


def view_folder(folder: Path, view: int) -> Path:
    """Where a corpus's embeddings of one augmented view are; view 0 is the clean one, in ``folder``
    itself.
    """
    return Path(folder) / f"view-{view:02d}" if view else Path(folder)


def view_folders(folder: Path) -> list[Path]:
    """The folders of the augmented views that are there, in order."""
    return sorted(Path(folder).glob("view-[0-9][0-9]"))
