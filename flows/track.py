"""Log results to MLflow after the fact: after a run that MLflow was down for, or one that DVC took from its cache."""

from pathlib import Path

from mfer_core.base.settings import Settings
from tasks.fold_runs import log_folds
from tasks.registry import register_folder
from tasks.results import log_stage


def track_results(data: Path, settings: Settings) -> None:
    """Log every fold, every result and the registered model under ``data``; what MLflow holds already is left alone."""
    log_folds(data, settings)
    for stage in ("evaluate", "transfer"):
        if (data / stage / "metrics.json").exists():
            log_stage(stage, data, settings)
    if (data / "register" / "model").exists():
        print(register_folder(data / "register" / "model", settings))
