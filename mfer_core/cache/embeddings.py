"""Embeddings in and out of shards: per clip a [T, D] array with its time axis."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mfer_core.cache.shards import read_metadata, read_shards


@dataclass(frozen=True)
class Embeddings:
    """clip_id -> [T, D], and the encoder's name, revision and hash as stored with them."""

    values: dict[str, np.ndarray]
    metadata: dict


def embedding_row(clip_id: str, key: str, values: np.ndarray, times_s: np.ndarray) -> dict:
    """One row of the EMBEDDINGS table from [T, D] values and [T] seconds."""
    length, dim = values.shape
    packed = np.ascontiguousarray(values).tobytes()
    return {"clip_id": clip_id, "key": key, "length": length, "dim": dim, "times_s": times_s.astype(np.float32), "values": packed}


def view_folder(folder: Path, view: int) -> Path:
    """Where a corpus's embeddings of one augmented view are; view 0 is the clean one, in ``folder`` itself."""
    return Path(folder) / f"view-{view:02d}" if view else Path(folder)


def view_folders(folder: Path) -> list[Path]:
    """The folders of the augmented views that are there, in order."""
    return sorted(Path(folder).glob("view-[0-9][0-9]"))


def read_embeddings(folder: Path, dtype: str = "float32") -> Embeddings:
    """Load a corpus's embeddings as ``dtype``. Raises MferError when the folder is missing."""
    metadata = read_metadata(folder)
    values: dict[str, np.ndarray] = {}
    for table in read_shards(folder, ["clip_id", "length", "dim", "values"]):
        for row in table.to_pylist():
            array = np.frombuffer(row["values"], metadata["dtype"]).reshape(row["length"], row["dim"])
            values[row["clip_id"]] = array.astype(dtype)
    return Embeddings(dict(sorted(values.items())), metadata)
