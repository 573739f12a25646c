"""Embeddings in and out of shards: per clip a [T, D] array with its time axis."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mfer_core.cache.shards import read_metadata, read_shards

PRECOMPUTED = "precomputed"  # metadata "kind" of features that a person brought; hash: of the columns' names


@dataclass(frozen=True)
class Embeddings:
    """clip_id -> [T, D], and the encoder's name, revision and hash as stored with them."""

    values: dict[str, np.ndarray]
    metadata: dict


def embedding_row(clip_id: str, key: str, values: np.ndarray, times_s: np.ndarray) -> dict:
    """One row of the EMBEDDINGS table from [T, D] values and [T] seconds."""
    length, dim = values.shape
    packed = np.ascontiguousarray(values).tobytes()
    return {
        "clip_id": clip_id,
        "key": key,
        "length": length,
        "dim": dim,
        "times_s": times_s.astype(np.float32),
        "values": packed,
    }


def same_encoder(first: dict, second: dict) -> bool:
    """Whether two folders' metadata say that one model can read both; files of features with the same columns may differ."""
    of_file = ("name", "file_sha256")
    if PRECOMPUTED in (first.get("kind"), second.get("kind")):
        first, second = (
            {key: value for key, value in one.items() if key not in of_file} for one in (first, second)
        )
    return first == second


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
