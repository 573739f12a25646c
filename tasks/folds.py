"""Tasks of stage folds."""

from pathlib import Path

import pandas as pd
from prefect import task

from mfer_core.base.files import write_table
from mfer_core.base.manifest import read_manifest
from mfer_core.base.settings import Settings
from mfer_core.protocol.fold_checks import check_corpora
from mfer_core.protocol.folds import make_folds


@task
def assign_folds(data: Path, settings: Settings) -> None:
    """One row per protocol, fold and clip of the benchmark with its part: train, valid or test."""
    roles = settings.roles
    names = (roles.benchmark, *roles.pretraining, roles.transfer)
    manifests = {name: read_manifest(data / "ingest" / name / "manifest.parquet") for name in names}
    check_corpora(pd.concat(manifests.values()))
    adapter = settings.corpora[roles.benchmark].adapter
    folds = make_folds(manifests[roles.benchmark], settings.folds, settings.seed, adapter)
    write_table(data / "folds" / "folds.parquet", folds)
