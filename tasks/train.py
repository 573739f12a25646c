"""Tasks of the training stages: folds side by side, each logged to MLflow as it ends."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.training import final, stages
from mfer_core.training.pretrain_audio import pretrain_audio
from tasks.runner import run_side_by_side
from tasks.tracking.fold_runs import log_fold
from tasks.tracking.store import report_missed


@task(task_run_name="{protocol} seed {seed} fold {fold}", cache_policy=NO_CACHE)
def train_fold(stage: str, protocol: str, seed: int, fold: int, data: Path, settings: Settings) -> Path:
    """Train one fold with one seed in a process of its own; returns its folder, at once when that is done."""
    return stages.train_fold(stage, protocol, seed, fold, data, settings)


def fold_tags(call: dict) -> list[str]:
    """Prefect's tags of a fold's task run, by which its pages are filtered."""
    return [f"{name}:{call[name]}" for name in ("protocol", "seed", "fold")]


def train_folds(stage: str, data: Path, settings: Settings) -> None:
    """All folds of all protocols with every seed, then their predictions in one table."""
    folds = stages.folds_to_train(stage, data, settings)
    calls = [
        {"stage": stage, "protocol": name, "seed": seed, "fold": fold, "data": data, "settings": settings}
        for name, seed, fold in folds
    ]
    for folder in run_side_by_side(
        train_fold, calls, settings.runner, "processes", settings.workers, stage, tag=fold_tags
    ):
        log_fold(folder, DataPaths(data), settings)
    report_missed()
    stages.collect_predictions(stage, data, settings)


@task(task_run_name="{stage}", cache_policy=NO_CACHE)
def train_final(stage: str, data: Path, settings: Settings) -> None:
    """The model of one training stage on all clips, as its folds chose."""
    log_fold(final.train_final(stage, data, settings), DataPaths(data), settings)
    report_missed()


@task(cache_policy=NO_CACHE)
def train_pretraining(data: Path, settings: Settings) -> None:
    """Stage 2a."""
    log_fold(pretrain_audio(data, settings), DataPaths(data), settings)
    report_missed()
