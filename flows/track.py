"""Log results to MLflow after the fact: after a run that MLflow was down for, or one that DVC took from its cache."""

from pathlib import Path

from mfer_core.settings import Settings
from tasks.registry import register_folder
from tasks.results import log_stage
from tasks.tracking import log_fold


def track_results(data: Path, settings: Settings) -> None:
    """Log every fold, every result and the registered model under ``data``; what MLflow holds already is left alone."""
    folders = [data / "pretrain_audio", *sorted(data.glob("train_*/*/fold-*"))]
    for folder in folders:
        if (folder / "config.json").exists():
            log_fold(folder, settings)
    for stage in ("evaluate", "transfer"):
        if (data / stage / "metrics.json").exists():
            log_stage(stage, data, settings)
    if (data / "register" / "model").exists():
        print(register_folder(data / "register" / "model", settings))
