"""Many recordings in one call of `mfer predict`: is each accounted for, do time and memory stay flat."""

from pathlib import Path

import pandas as pd

from benchmarks.haul.clips import write_clips
from benchmarks.haul.observed import Observed, run_observed
from benchmarks.predict import compact_model
from flows.project import initialise
from mfer_core.base.settings import load_settings


def predict_many(project: Path, count: int, processes: int) -> tuple[Observed, Observed]:
    """The run over so many tiny recordings, and the one after it. Raises ValueError where one is not in the
    table exactly once.
    """
    if not (project / "params.yaml").exists():
        initialise(project)
    compact_model(project / "model", load_settings(project / "params.yaml"))
    write_clips(project / "recordings", count, processes)
    arguments = ("predict", "recordings", "--model", "model", "--out", "out")
    runs = run_observed(project, *arguments), run_observed(project, *arguments)
    paths = {str(path.relative_to(project)) for path in (project / "recordings").rglob("*.mov")}
    named = pd.read_csv(project / "out" / "predictions.csv").path
    if len(paths) != count or {*named} != paths:
        raise ValueError(f"{len(paths)} recordings, of which the table has {len({*named} & paths)}")
    return runs
