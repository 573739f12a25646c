"""A person's own features, csv or Parquet: a column that names the clip, perhaps one of seconds, the rest
numbers.

One row per clip, or one per time step: in the order of the column of seconds where there is one, else of the
file. The file is scanned, never held whole: one clip's rows may stand anywhere in it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from mfer_core.base.errors import MferError, one_line

FORMATS = {".csv": "csv", ".parquet": "parquet"}
NAMES = ("clip_id", "file", "filename", "name")
TIMES = ("time_s", "timestamp")
# Columns of these names are never features.
ANSWERS = {
    *("label", "emotion", "class", "target", "speaker", "actor", "subject", "fold", "split", "index", "id")
}


@dataclass(frozen=True)
class FeaturesFile:
    """The roles of a features file's columns."""

    path: Path
    data: ds.Dataset
    name: str
    time: str | None
    columns: list[str]  # the features, in the file's order

    def count_rows(self) -> dict[str, int]:
        """Clip name as written -> rows. Raises MferError for a value that is missing or not finite, and for a
        file without rows.
        """
        counts: dict[str, int] = {}
        for batch in self._batches(None):
            for field in (*self.columns, *([self.time] if self.time else [])):
                self._check(batch, field)
            names = batch.column(self.name)
            if names.null_count or pc.any(pc.equal(names, "")).as_py():
                raise MferError(f"{self.path}: a row without a {self.name}: every row must say whose it is")
            for entry in pc.value_counts(names).to_pylist():
                counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]
        if not counts:
            raise MferError(f"{self.path} has no rows")
        return counts

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yield name, values float32 [T, D] and seconds [T] (NaN where they are not known) of the clips
        called ``names``.
        """
        table = pa.Table.from_batches(self._batches(pc.field(self.name).isin(list(names))), self.data.schema)
        for name in pc.unique(table[self.name]).to_pylist():
            rows = table.filter(pc.equal(table[self.name], name))
            rows = rows.sort_by(self.time) if self.time else rows
            values = np.stack([rows[column].to_numpy() for column in self.columns], 1).astype(np.float32)
            times = rows[self.time].to_numpy() if self.time else np.full(len(rows), np.nan)
            yield name, values, times

    def _batches(self, chosen: pc.Expression | None) -> Iterator[pa.RecordBatch]:
        try:
            yield from self.data.to_batches(filter=chosen, use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise MferError(f"cannot read {self.path}: {one_line(error)}") from error

    def _check(self, batch: pa.RecordBatch, field: str) -> None:
        bad = ~np.isfinite(batch.column(field).to_numpy(zero_copy_only=False))
        if bad.any():
            clip = batch.column(self.name)[int(bad.argmax())]
            raise MferError(
                f"{self.path}: column {field} is missing or not finite for {clip}: fill it in, or leave the "
                "row or column out"
            )


def open_features(path: Path) -> FeaturesFile:
    """Raises MferError, naming the columns at fault, for a file that is missing, of another format, or not of
    features.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS or not path.is_file():
        raise MferError(f"no features at {path}: expected a file that ends in {' or '.join(FORMATS)}")
    try:
        schema = ds.dataset(path, format=FORMATS[path.suffix.lower()]).schema
        name = _one_of(NAMES, schema.names)
        time = _one_of(TIMES, schema.names)
        data = ds.dataset(
            path, pa.schema([_typed(field, name) for field in schema]), format=FORMATS[path.suffix.lower()]
        )
    except (OSError, pa.ArrowException) as error:
        raise MferError(f"cannot read {path}: {one_line(error)}") from error
    if name is None:
        raise MferError(
            f"{path} does not say which clip a row is of: one column must be called {', '.join(NAMES[:-1])} "
            f"or {NAMES[-1]}"
        )
    columns = [column for column in schema.names if column not in (name, time)]
    if answers := [column for column in columns if column.lower() in ANSWERS]:
        raise MferError(
            f"{path}: {', '.join(answers)} would tell a model the answer or whom it hears: features only, "
            "take these columns out"
        )
    if texts := [column for column in columns if not pa.types.is_floating(data.schema.field(column).type)]:
        raise MferError(f"{path}: columns that are not numbers: {', '.join(texts)}: take them out")
    if not columns:
        raise MferError(f"{path} has no column of features beside {name}")
    return FeaturesFile(path, data, name, time, columns)


def _one_of(choices: tuple[str, ...], columns: list[str]) -> str | None:
    return next((name for name in choices if name in columns), None)


def _typed(field: pa.Field, name: str | None) -> pa.Field:
    """Whole numbers may be followed by fractions further down, and a column may begin with gaps: numbers are
    floats.
    """
    if field.name == name:
        return pa.field(name, pa.string())
    number = (
        pa.types.is_floating(field.type) or pa.types.is_integer(field.type) or pa.types.is_null(field.type)
    )
    return pa.field(field.name, pa.float64()) if number else field
