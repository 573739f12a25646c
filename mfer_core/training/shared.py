"""One copy of the embeddings in memory, however many processes train on them.

The first process to ask decodes the shards once into a file in ``FOLDER``; it and all others map that file, so that the
operating system keeps one copy for them all.
"""

import json
from functools import lru_cache
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from mfer_core.base.files import atomic_path, digest
from mfer_core.cache.embeddings import read_embeddings

FOLDER = ".shared"


def shared_embeddings(folder: Path, dtype: str) -> tuple[dict[str, Tensor], dict]:
    """clip_id -> [T, D] of ``data/embed/<modality>/<corpus>`` or of a view's folder in it, and the encoder's metadata.

    Never write to the tensors. Raises MferError when the folder is missing.
    """
    stamp = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(Path(folder).glob("[0-9]*.parquet"))
    ]
    return _mapped(Path(folder), dtype, digest(str(folder), dtype, stamp))


@lru_cache(maxsize=32)
def _mapped(folder: Path, dtype: str, key: str) -> tuple[dict[str, Tensor], dict]:
    path = _data(folder) / FOLDER / f"{key}.safetensors"
    path.parent.mkdir(exist_ok=True)
    with FileLock(path.parent / "lock"):
        if not path.exists():
            _write(folder, dtype, path)
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            return tensors, json.loads(file.metadata()["encoder"])


def _data(folder: Path) -> Path:
    """The data folder that ``<data>/embed/...`` is in."""
    return next(parent.parent for parent in folder.parents if parent.name == "embed")


def _write(folder: Path, dtype: str, path: Path) -> None:
    found = read_embeddings(folder, dtype)
    with atomic_path(path) as temporary:
        save_file(
            {name: torch.from_numpy(value) for name, value in found.values.items()},
            temporary,
            {"encoder": json.dumps(found.metadata)},
        )


def forget_shared(data: Path) -> None:
    """Remove the files at a stage's end; processes that have mapped them keep them."""
    for path in (Path(data) / FOLDER).glob("*.safetensors"):
        path.unlink(missing_ok=True)
