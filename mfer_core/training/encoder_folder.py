"""The folder of an encoder that the pipeline trains: begun empty, marked as done under its key when all else
is written.
"""

import shutil
from pathlib import Path

import pandas as pd

from mfer_core.base.files import atomic_path, read_json, write_json
from mfer_core.training.loop import CHECKPOINT, Row, Run, forget_checkpoints

MARK = "training.json"  # written last
METRICS = "metrics.json"


def finished_metrics(run: Run) -> dict | None:
    """The metrics of a training that is done under ``run.key``, else None."""
    mark = run.folder / MARK
    if not mark.exists() or read_json(mark)["key"] != run.key:
        return None
    forget_checkpoints(run.folder)  # A run that was killed after its mark left them.
    return read_json(run.folder / METRICS)


def begin(folder: Path) -> None:
    """Make the folder, and take away all that an earlier training or a published encoder left, but for a
    checkpoint.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != CHECKPOINT:
            path.unlink()


def finish(run: Run, history: list[Row], metrics: dict) -> None:
    """Write figures and history beside the weights, then the mark."""
    with atomic_path(run.folder / "history.csv") as path:
        pd.DataFrame(history).to_csv(path, index=False)
    write_json(run.folder / METRICS, metrics)
    write_json(run.folder / MARK, {"key": run.key})
    forget_checkpoints(run.folder)
