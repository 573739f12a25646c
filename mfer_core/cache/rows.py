"""Single clips out of a folder of shards, read when they are asked for; some shards stay in memory."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mfer_core.cache.shards import read_shards

SHARDS_KEPT = 32  # in memory, as stored: encoded images, 16-bit samples


@dataclass(frozen=True)
class Rows:
    """Where the rows of one clip are."""

    path: Path
    stamp: int  # modification time of the file, ns: another one is another file
    first: int
    count: int

    def read(self) -> pa.Table:
        return _shard(self.path, self.stamp).slice(self.first, self.count)


@lru_cache(maxsize=SHARDS_KEPT)
def _shard(path: Path, stamp: int) -> pa.Table:
    return pq.read_table(path, partitioning=None)


def clip_rows(folder: Path) -> dict[str, Rows]:
    """clip_id -> its rows. Raises MferError when the folder is missing."""
    found: dict[str, Rows] = {}
    paths = sorted(Path(folder).glob("[0-9]*.parquet"))
    for path, table in zip(paths, read_shards(folder, ["clip_id"]), strict=True):
        ids = np.asarray(table["clip_id"].to_pylist(), object)
        edges = [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist(), len(ids)] if len(ids) else []
        stamp = path.stat().st_mtime_ns
        found |= {ids[start]: Rows(path, stamp, start, end - start) for start, end in pairwise(edges)}
    return found
