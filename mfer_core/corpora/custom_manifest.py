"""The table a person writes for their own set: csv (UTF-8) or Parquet.

Columns: ``path`` (relative to the set's folder) and ``label``; and, where known, ``speaker``, ``sex``, ``language``,
``intensity``, ``statement``, ``repetition``, ``split``. Other columns are left alone. An empty cell is an unknown fact.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd
import pyarrow as pa

from mfer_core.base.errors import MferError

REQUIRED = ("path", "label")
FACTS = ("sex", "language", "intensity", "statement", "repetition", "split")
SEXES = {"f": "female", "female": "female", "m": "male", "male": "male"}


@dataclass(frozen=True)
class Row:
    label: str
    speaker: str | None
    facts: dict[str, str]


def read_rows(folder: Path, manifest: Path) -> dict[str, Row]:
    """Rows by path. ``manifest`` is looked for in the set's folder, then from where the program runs.

    Raises MferError for a table that is missing, unreadable, lacks a column, names a path twice, leaves the folder
    or names a sex that is neither female nor male.
    """
    where = folder / manifest if (folder / manifest).is_file() else manifest
    table = _read_table(where)
    missing = [name for name in REQUIRED if name not in table.columns]
    if missing:
        raise MferError(
            f"{where}: no column {', '.join(missing)}; it has {', '.join(map(str, table.columns))}"
        )
    rows: dict[str, Row] = {}
    for number, record in enumerate(table.to_dict("records"), 1):
        path = _inside(record["path"], f"{where}, row {number}")
        if path in rows:
            raise MferError(f"{where}, row {number}: {path} is there twice")
        rows[path] = _row(record, f"{where}, row {number}")
    return rows


def _read_table(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError, pa.ArrowException) as error:
        raise MferError(f"cannot read the manifest {path}: {' '.join(str(error).split())}") from error
    return table.rename(columns=lambda name: str(name).strip().lower()).fillna("").astype(str)


def _inside(text: str, where: str) -> str:
    path = PurePosixPath(text.strip().replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise MferError(f"{where}: {text!r} is not a path inside the set's folder")
    return path.as_posix()


def _row(record: dict[str, str], where: str) -> Row:
    facts = {name: record[name].strip() for name in FACTS if record.get(name, "").strip()}
    if "sex" in facts:
        if facts["sex"].lower() not in SEXES:
            raise MferError(f"{where}: sex {facts['sex']!r}: write female or male, or leave it empty")
        facts["sex"] = SEXES[facts["sex"].lower()]
    return Row(record["label"].strip(), record.get("speaker", "").strip() or None, facts)
