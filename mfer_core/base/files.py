"""Files that are either whole or not there, and their content hashes."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mfer_core.base.errors import FREE_SPACE, MferError, is_disk_full, one_line

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# What a person reads where this user, or nobody, may write into a folder.
REFUSALS = {
    errno.EROFS: "{} is on a read-only file system: choose a folder that can be written",
    errno.EACCES: "you may not write in {}: change its permissions or choose another folder",
    errno.EPERM: "you may not write in {}: change its permissions or choose another folder",
}

# What parsers raise, beside exceptions of their own, for content that is damaged or was made to harm.
DAMAGED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


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
        _make_folder(path.parent)
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
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary sibling of the folder ``path``; on success it takes that one's place.

    A reader finds the old folder whole, or the new one whole, and in between for a moment none. The block
    writes its files with ``atomic_path``. Raises MferError as ``atomic_path`` does.
    """
    path = Path(path)
    temporary, old = (path.with_name(f".{uuid4().hex[:12]}.tmp") for _ in range(2))
    with refused_writes(path):
        _make_folder(path.parent)
        for left_over in path.parent.glob(".*.tmp"):  # A run that was killed left this behind.
            shutil.rmtree(left_over)
        temporary.mkdir()
    try:
        with refused_writes(path):
            yield temporary
            _sync(temporary)
            if path.exists():
                path.rename(old)
            temporary.rename(path)
            _sync(path.parent)
    finally:
        for folder in (temporary, old):
            shutil.rmtree(folder, ignore_errors=True)


def remove(paths: Iterable[Path]) -> None:
    """Remove files, those that are there, so that not even a power cut brings one back."""
    folders = set()
    for path in paths:
        if path.exists():
            path.unlink()
            folders.add(path.parent)
    for folder in folders:
        _sync(folder)


@contextmanager
def refused_writes(path: Path) -> Iterator[None]:
    """Raise MferError that names ``path`` and what to do where the system refuses what the block writes."""
    try:
        yield
    except MferError:
        raise
    except Exception as error:
        folder = next(parent for parent in path.absolute().parents if parent.is_dir())
        if is_disk_full(error, folder):
            free = f"{shutil.disk_usage(folder).free / 1e6:.1f} MB are free in {folder}"
            raise MferError(f"cannot write {path}: the disk is full ({free}): {FREE_SPACE}") from error
        if isinstance(error, OSError) and error.errno in REFUSALS and _concerns(error, path):
            raise MferError(f"cannot write {path}: {REFUSALS[error.errno].format(folder)}") from error
        raise


def _concerns(error: OSError, path: Path) -> bool:
    """Whether the refused file lies beside ``path``; it may be another file that was to be read meanwhile."""
    refused, folder = Path(error.filename or path).absolute(), path.absolute().parent
    return refused.parent == folder or folder.is_relative_to(refused)


def _make_folder(path: Path) -> None:
    """Make a folder with its parents; each new one is synced, so that its name outlasts a power cut."""
    new = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in new:
        _sync(folder.parent)


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
    except (OSError, ValueError, RecursionError) as error:
        raise MferError(f"cannot read {path}: {one_line(error)}") from error


def read_object(path: Path) -> dict[str, Any]:
    """Raises MferError naming the file when it is missing or no JSON object."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise MferError(f"cannot read {path}: it holds no JSON object, but {one_line(value, 80)}")
    return value


def write_table(path: Path, table: "pa.Table | pd.DataFrame", schema: "pa.Schema | None" = None) -> None:
    """Write Parquet (zstd) atomically."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not isinstance(table, pa.Table):
        table = pa.Table.from_pandas(table, schema=schema, preserve_index=False)
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_table(
    path: Path, columns: list[str] | None = None, writer: str = "the stage that writes it"
) -> "pd.DataFrame":
    """Read Parquet. Raises MferError naming the file, and ``writer`` as the remedy, when the file is missing,
    not Parquet, or lacks one of ``columns``, as one that an older version wrote.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not Path(path).is_file():
        raise MferError(f"{path} is missing: run {writer} first")
    try:
        missing = set(columns or []) - set(pq.read_schema(path).names)
        if not missing:
            frame = pq.read_table(path, columns=columns, partitioning=None).to_pandas()
            return frame if columns is None else frame[columns]  # pandas's own description may name others
    except (OSError, pa.ArrowException, *DAMAGED) as error:
        raise MferError(f"cannot read {path}: {one_line(error)}") from error
    raise MferError(
        f"{path} has no {', '.join(sorted(missing))}: another version wrote it: run {writer} again"
    )
