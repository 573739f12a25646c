"""Tasks of stage folds."""

from pathlib import Path

from prefect import task

from mfer_core.evaluation.folds import make_folds
from mfer_core.files import write_table
from mfer_core.manifest import read_manifest
from mfer_core.settings import Folds


@task
def assign_folds(manifest: Path, settings: Folds, out: Path) -> None:
    """One row per protocol, fold and clip with its part: train, valid or test."""
    write_table(out, make_folds(read_manifest(manifest), settings))
