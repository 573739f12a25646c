"""Files that are either whole or not there, and their content hashes."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mfer_core.base.errors import MferError

# What a person reads where the system refuses bytes. {folder} is where the file was to lie.
REFUSALS = {
    errno.ENOSPC: "the disk is full ({free:.1f} MB are free in {folder}): free some space and start again",
    errno.EDQUOT: "your disk quota is used up in {folder}: free some space and start again",
    errno.EROFS: "{folder} is on a read-only file system: choose a folder that can be written",
    errno.EACCES: "you may not write in {folder}: change its permissions or choose another folder",
}
REFUSALS[errno.EPERM] = REFUSALS[errno.EACCES]
FULL_BYTES = 64 * 1024  # less free space than this after a failed write means a full disk


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` (same suffix); on success it is synced to the disk and renamed.

    The file's permissions are those that the umask gives to a new file, whichever library wrote it.
    Raises MferError naming ``path`` where the disk is full or the folder may not be written.
    """
    path = Path(path)
    # Random, to keep processes apart, also on a shared file system. A stem could make the name too long.
    temporary = path.with_name(f".{uuid4().hex[:12]}.tmp{path.suffix}")
    with refused_writes(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Python's new file has the umask's permissions; asking for the umask would change it for all threads.
        temporary.touch()
        mode = temporary.stat().st_mode
    try:
        with refused_writes(path):
            yield temporary
            temporary.chmod(mode)
            _sync(temporary)
            temporary.replace(path)
            _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def refused_writes(path: Path) -> Iterator[None]:
    """Raise MferError that names ``path`` and what to do where the system refuses what the block writes."""
    try:
        yield
    except MferError:
        raise
    except Exception as error:
        if (code := _refusal(error, path)) is None:
            raise
        folder = next(parent for parent in path.absolute().parents if parent.is_dir())
        reason = REFUSALS[code].format(folder=folder, free=shutil.disk_usage(folder).free / 1e6)
        raise MferError(f"cannot write {path}: {reason}") from error


def _refusal(error: Exception, path: Path) -> int | None:
    """The key of REFUSALS, or None for another fault. Safetensors, libsndfile and torch hide the number."""
    code = getattr(error, "errno", None)
    if code in (errno.EACCES, errno.EPERM):  # a file that was to be read meanwhile may be the refused one
        refused, folder = Path(getattr(error, "filename", None) or path).absolute(), path.absolute().parent
        return code if refused.parent == folder or folder.is_relative_to(refused) else None
    if code in REFUSALS:
        return code
    if isinstance(error, OSError):
        return None
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    full = "No space left on device" in str(error) or shutil.disk_usage(folder).free < FULL_BYTES
    return errno.ENOSPC if full else None


def _sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk and outlast a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(*values: Any) -> str:
    """Hex SHA-256 (first 16 characters) of JSON-able values: the one way keys are made."""
    text = json.dumps(values, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_json(path: Path, value: Any) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(
            json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
        )


def read_json(path: Path) -> Any:
    """Raises MferError naming the file when it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MferError(f"cannot read {path}: {error}") from error


def write_table(path: Path, table: pa.Table | pd.DataFrame, schema: pa.Schema | None = None) -> None:
    """Write Parquet (zstd) atomically."""
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, schema=schema, preserve_index=False)
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Raises MferError naming the file when it is missing or not Parquet."""
    if not Path(path).is_file():
        raise MferError(f"{path} is missing: run the stage that writes it first")
    try:
        return pq.read_table(path, columns=columns, partitioning=None).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise MferError(f"cannot read {path}: {error}") from error
