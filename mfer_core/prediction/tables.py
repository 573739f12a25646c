"""Predictions as files for other programs: Parquet, CSV and JSON, each whole or not there.

They are written recording by recording: memory does not grow with their number.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mfer_core.base.csv_files import csv_text
from mfer_core.base.files import atomic_path
from mfer_core.base.modalities import ARMS
from mfer_core.prediction.notice import NOTICE
from mfer_core.prediction.results_folder import PersonResult, RecordingResult, Turn
from mfer_core.prediction.run import PredictionRun

SPAN = ["path", "person", "start_s", "end_s"]
ROWS = 20_000  # held at a time
PLACE = {
    "path": pa.string(),
    "person": pa.string(),  # "main": the main face and all sound; else one of several people
    "start_s": pa.float64(),
    "end_s": pa.float64(),
    "arm": pa.string(),
    "label": pa.string(),
}


def write_tables(run: PredictionRun, out: Path) -> None:
    """predictions.{parquet,csv} (a row per clip and arm), timeline.{parquet,csv} (per window and arm),
    windows.csv (per window, for R and SPSS), turns.csv (who speaks when) and predictions.json (all).
    """
    schema = pa.schema([*PLACE.items(), *((name, pa.float64()) for name in run.classes)])
    _write_table(out, "predictions", (seen.rows("table") for seen in run.seen), schema)
    _write_table(out, "timeline", (seen.rows("timeline") for seen in run.seen), schema)
    _write_windows(run, out / "windows.csv")
    _write_turns(run, out / "turns.csv")
    _write_json(run, out / "predictions.json")


def _write_table(out: Path, name: str, parts: Iterator[pd.DataFrame], schema: pa.Schema) -> None:
    with (
        atomic_path(out / f"{name}.parquet") as parquet,
        atomic_path(out / f"{name}.csv") as text,
        pq.ParquetWriter(parquet, schema, compression="zstd") as writer,
        text.open("w", encoding="utf-8", newline="") as file,
    ):
        file.write(csv_text(pd.DataFrame(columns=schema.names)))
        for rows in _gathered(parts):
            writer.write_table(pa.Table.from_pandas(rows, schema, preserve_index=False))
            file.write(csv_text(rows[schema.names], header=False))


def _write_windows(run: PredictionRun, path: Path) -> None:
    """A row per window with every arm's label and probabilities side by side; an arm without a say is empty.

    Statistics programs take the columns' names, such as ``fused_happy``, as they are.
    """
    columns = [f"{arm}_{value}" for arm in ARMS for value in ("label", *run.classes)]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(csv_text(pd.DataFrame(columns=[*SPAN, *columns])))
        for seen in run.seen:
            arms = seen.rows("timeline").pivot(index=SPAN, columns="arm", values=["label", *run.classes])
            arms.columns = [f"{arm}_{value}" for value, arm in arms.columns]
            file.write(csv_text(arms.reindex(columns=columns).infer_objects().reset_index(), header=False))


def _write_turns(run: PredictionRun, path: Path) -> None:
    """A row per turn; ``person`` is empty where it is not clear whose face the voice belongs to."""
    columns = [field.name for field in fields(Turn)]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(csv_text(pd.DataFrame(columns=["path", *columns])))
        for seen in run.seen:
            turns = pd.DataFrame(map(asdict, seen.turns), columns=columns)
            turns.insert(0, "path", seen.path)
            file.write(csv_text(turns, header=False))


def _gathered(parts: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The tables joined to some ``ROWS`` each: a Parquet file of a few rows per group is slow to read."""
    waiting: list[pd.DataFrame] = []
    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) >= ROWS:
            yield pd.concat(waiting, ignore_index=True)
            waiting = []
    if waiting:
        yield pd.concat(waiting, ignore_index=True)


def _write_json(run: PredictionRun, path: Path) -> None:
    facts = {
        "model": run.model,
        "warning": run.warning,
        "notice": NOTICE,
        "published_heads": [asdict(source) for source in run.sources],
        "window_s": run.window_s,
        "step_s": run.step_s,
        "classes": list(run.classes),
        "rejected": [asdict(reject) for reject in run.rejected],
        "not_media": run.others,
        "not_looked_at": run.left,
    }
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(json.dumps(facts, indent=2, ensure_ascii=False).removesuffix("\n}"))
        file.write(',\n  "clips": [')
        for number, seen in enumerate(run.seen):
            clip = clip_facts(seen, run.classes)
            file.write(("," if number else "") + "\n    " + json.dumps(clip, ensure_ascii=False))
        file.write("\n  ]\n}\n")


def clip_facts(seen: RecordingResult, classes: Sequence[str]) -> dict:
    """A recording's entry of predictions.json."""
    facts = {"path": seen.path, "duration_s": seen.duration_s, "notes": seen.notes}
    people = [{"name": person.name, **person.times} | _results(person, classes) for person in seen.people]
    turns = [asdict(turn) for turn in seen.turns]
    return facts | _results(seen, classes) | {"people": people, "turns": turns}


def _results(seen: RecordingResult | PersonResult, classes: Sequence[str]) -> dict:
    return {"arms": _arms(seen.table, classes), "timeline": _windows(seen.timeline, classes)}


def _arms(rows: pd.DataFrame, classes: Sequence[str]) -> dict:
    return {
        row["arm"]: {"label": row["label"], "probabilities": {name: round(row[name], 6) for name in classes}}
        for row in rows.to_dict("records")
    }


def _windows(timeline: pd.DataFrame, classes: Sequence[str]) -> list[dict]:
    spans = timeline.groupby(["start_s", "end_s"], sort=False)
    return [{"start_s": start, "end_s": end, "arms": _arms(rows, classes)} for (start, end), rows in spans]
