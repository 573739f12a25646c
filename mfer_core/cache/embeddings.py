"""Embeddings in and out of shards: per clip a [T, D] array with its time axis."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mfer_core.cache.shards import read_metadata, read_shards


@dataclass(frozen=True)
class Embeddings:
    """clip_id -> float32 [T, D], and the encoder's name, revision and hash as stored with them."""

    values: dict[str, np.ndarray]
    metadata: dict


def embedding_row(clip_id: str, key: str, values: np.ndarray, times_s: np.ndarray) -> dict:
    """One row of the EMBEDDINGS table from [T, D] values and [T] seconds."""
    length, dim = values.shape
    packed = np.ascontiguousarray(values).tobytes()
    return {"clip_id": clip_id, "key": key, "length": length, "dim": dim, "times_s": times_s.astype(np.float32), "values": packed}


def read_embeddings(folder: Path) -> Embeddings:
    """Load a corpus's embeddings. Raises MferError when the folder is missing."""
    metadata = read_metadata(folder)
    values: dict[str, np.ndarray] = {}
    for table in read_shards(folder, ["clip_id", "length", "dim", "values"]):
        for row in table.to_pylist():
            array = np.frombuffer(row["values"], metadata["dtype"]).reshape(row["length"], row["dim"])
            values[row["clip_id"]] = array.astype(np.float32)
    return Embeddings(dict(sorted(values.items())), metadata)
