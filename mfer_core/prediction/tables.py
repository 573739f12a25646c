"""Predictions as files for other programs: Parquet, CSV and JSON, each whole or not there."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa

from mfer_core.base.files import atomic_path, write_json, write_table

PLACE = {
    "path": pa.string(),
    "start_s": pa.float64(),
    "end_s": pa.float64(),
    "arm": pa.string(),
    "label": pa.string(),
}


@dataclass(frozen=True)
class Rejected:
    """A file that could not be looked at."""

    path: str
    reason: str


@dataclass(frozen=True)
class Seen:
    """What is kept of a recording's prediction once its media are out of memory."""

    path: str
    duration_s: float
    notes: list[str]
    table: pd.DataFrame
    timeline: pd.DataFrame


@dataclass(frozen=True)
class Run:
    """Everything that one call of predict found."""

    model: str
    warning: str | None  # what must stand beside the model's figures
    window_s: float
    step_s: float
    classes: tuple[str, ...]
    seen: list[Seen] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # files of folders that are no media by their names


def write_tables(run: Run, out: Path) -> None:
    """predictions.{parquet,csv} (a row per clip and arm), timeline.{parquet,csv} (per window and arm) and predictions.json (all)."""
    for name, part in (("predictions", "table"), ("timeline", "timeline")):
        table = joined([getattr(seen, part) for seen in run.seen], run.classes)
        write_table(
            out / f"{name}.parquet",
            table,
            pa.schema([*PLACE.items(), *((one, pa.float64()) for one in run.classes)]),
        )
        with atomic_path(out / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    write_json(out / "predictions.json", _as_json(run))


def joined(tables: Sequence[pd.DataFrame], classes: Sequence[str]) -> pd.DataFrame:
    """The tables as one, with its columns also where there is none."""
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*PLACE, *classes])


def _as_json(run: Run) -> dict:
    clips = [
        {"path": seen.path, "duration_s": seen.duration_s, "notes": seen.notes}
        | {"arms": _arms(seen.table, run.classes), "timeline": _windows(seen.timeline, run.classes)}
        for seen in run.seen
    ]
    facts = {
        "model": run.model,
        "warning": run.warning,
        "window_s": run.window_s,
        "step_s": run.step_s,
        "classes": list(run.classes),
    }
    return facts | {
        "clips": clips,
        "rejected": [asdict(one) for one in run.rejected],
        "not_media": run.others,
    }


def _arms(rows: pd.DataFrame, classes: Sequence[str]) -> dict:
    return {
        row["arm"]: {"label": row["label"], "probabilities": {name: round(row[name], 6) for name in classes}}
        for row in rows.to_dict("records")
    }


def _windows(timeline: pd.DataFrame, classes: Sequence[str]) -> list[dict]:
    spans = timeline.groupby(["start_s", "end_s"], sort=False)
    return [{"start_s": start, "end_s": end, "arms": _arms(rows, classes)} for (start, end), rows in spans]
