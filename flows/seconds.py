"""How long each stage took, and when in its run it did: for the terminal and for Prefect's pages."""

import os
import time
from dataclasses import dataclass
from typing import Any

import psutil
from filelock import FileLock

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json, write_json
from tasks.processes import HOME, owner, run_name

SECONDS = HOME / "seconds.json"
WIDTH = 40  # Letters for the length of a run.
KEYS = {"seconds", "ended"}  # Records of earlier versions hold these too.
Record = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Spent:
    """A stage's last run. ``bar`` shows it in the newest run of all; empty for an earlier run."""

    stage: str
    seconds: float
    processor: float | None
    bar: str


def record_seconds(stage: str) -> None:
    """How long this process has lived, Python's start and Prefect's overhead included, and what it worked."""
    ended, run = time.time(), owner()
    lived = ended - psutil.Process().create_time()
    worked = sum(os.times()[:4])  # ended children included
    entry = {"seconds": round(lived, 2), "processor": round(worked, 2), "ended": ended}
    with FileLock(SECONDS.with_suffix(".lock")):
        write_json(SECONDS, recorded_seconds() | {stage: entry | {"run": run_name(run)}})


def recorded_seconds() -> Record:
    """Stage -> the seconds of its last run and when it ended; empty when the record is missing or broken."""
    try:
        stages = read_json(SECONDS).items()
    except (MferError, AttributeError):
        return {}
    return {name: spent for name, spent in stages if isinstance(spent, dict) and set(spent) >= KEYS}


def spent_seconds(record: Record) -> list[Spent]:
    """What each stage took, in the order in which they began."""
    run_entries, first, last = _newest_run(record)
    letter_s = max(last - first, 1e-9) / WIDTH
    rows = []
    for stage, entry in sorted(record.items(), key=lambda item: _begun(item[1])):
        bar = _bar(_begun(entry) - first, entry["seconds"], letter_s) if stage in run_entries else ""
        rows.append(Spent(stage, entry["seconds"], entry.get("processor"), bar))
    return rows


def run_seconds(record: Record) -> float:
    """From the begin of the first to the end of the last stage of the newest run."""
    _, first, last = _newest_run(record)
    return last - first


def _begun(entry: dict[str, Any]) -> float:
    return entry["ended"] - entry["seconds"]


def _newest_run(record: Record) -> tuple[set[str], float, float]:
    """The stages that ran last and together, when the first of them began and when the last one ended."""
    newest = max(record.values(), key=lambda entry: entry["ended"])
    run_entries = {stage: entry for stage, entry in record.items() if entry.get("run") == newest.get("run")}
    return {*run_entries}, min(map(_begun, run_entries.values())), newest["ended"]


def _bar(start_s: float, seconds: float, letter_s: float) -> str:
    before = min(round(start_s / letter_s), WIDTH - 1)
    return " " * before + "█" * max(1, min(round(seconds / letter_s), WIDTH - before))


def schedule_table(record: Record) -> str:
    """The newest run's schedule in Markdown."""
    rows = [
        f"| {entry.stage} | {entry.seconds:.1f} | {entry.processor or 0:.1f} | `{entry.bar.ljust(WIDTH)}` |"
        for entry in spent_seconds(record)
        if entry.bar
    ]
    return "\n".join(["| stage | seconds | of a core | when |", "|---|---|---|---|", *rows])
