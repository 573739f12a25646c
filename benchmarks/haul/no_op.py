"""What runs leave behind that have nothing to do: bytes and files of all that a project keeps."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from benchmarks.chaos.project import Project
from mfer_core.cache.code import ROOT

RUNS = {  # what a person starts again and again; the last is a stage by hand, which Prefect shows each time
    "mfer mfer": ("flows", "mfer"),
    "dvc repro": ("dvc", "repro", "--quiet"),
    "mfer ingest": ("flows", "ingest", "--corpus", "custom"),
}
KEPT = (".prefect", ".dvc", "mlflow.db", "mlartifacts", "data")
BOUND = 64 << 10  # bytes that 200 runs without work may add to any of these; `mfer ingest` is no such run
LOOKS = 4  # times at which sizes are looked at, over all runs


def sizes(project: Path) -> dict[str, tuple[int, int]]:
    """Bytes and number of files of everything that the project keeps."""
    found = {}
    for name in KEPT:
        path = project / name
        files = [file for file in (path, *path.rglob("*")) if file.is_file() and not file.is_symlink()]
        found[name] = sum(file.stat().st_size for file in files), len(files)
    rest = [path for path in project.iterdir() if path.is_file()]
    return found | {"the project's own files": (sum(path.stat().st_size for path in rest), len(rest))}


def grown(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> dict[str, str]:
    """What became larger, in words."""
    changes = {}
    for name, (size, files) in after.items():
        size_before, files_before = before.get(name, (0, 0))
        if (size, files) != (size_before, files_before):
            changes[name] = f"{size - size_before:+,} bytes, {files - files_before:+d} files"
    return changes


def rows(project: Path) -> dict[str, int]:
    """Rows of Prefect's and MLflow's tables that grow with runs."""
    counts = {}
    tables = {".prefect/prefect.db": ("flow_run", "task_run", "log", "events"), "mlflow.db": ("runs",)}
    for name, wanted in tables.items():
        if not (project / name).exists():
            continue
        with closing(sqlite3.connect(f"file:{project / name}?mode=ro", uri=True)) as database:
            for table in wanted:
                counts[f"{name}: {table}"] = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return counts


def run_without_work(folder: Path, runs: int) -> int:
    """Run each command so often on a project with everything done; 1 where more than ``BOUND`` is left."""
    project = Project(folder / "0" / "project", folder / "finished" / "project")
    project.make()
    status = 0
    for name, module in RUNS.items():
        _run(project.root, *module)  # The first one may still have something to do.
        before = sizes(project.root), rows(project.root)
        print(f"{name}, {runs} times; rows before: {before[1]}", flush=True)
        for number in range(1, runs + 1):
            _run(project.root, *module)
            if number % max(1, runs // LOOKS) == 0:
                print(f"  after {number}: {grown(before[0], sizes(project.root)) or 'nothing'}", flush=True)
        print(f"  rows after: {rows(project.root)}", flush=True)
        after = sizes(project.root)
        more = sum(max(0, after[kind][0] - before[0].get(kind, (0, 0))[0]) for kind in after)
        status |= int(name != "mfer ingest" and more > BOUND)
    return status


def _run(project: Path, *module: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path}
    command = [sys.executable, "-m", *module]
    subprocess.run(command, cwd=project, env=environment, capture_output=True, check=True)
