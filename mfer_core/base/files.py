"""Files that are either whole or not there, and their content hashes."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mfer_core.base.errors import MferError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` (same suffix), renamed to it only on success."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(
        f".{path.stem}.{uuid4().hex[:8]}.tmp{path.suffix}"
    )  # of its own also on a shared file system
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
