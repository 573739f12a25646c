"""The training stages as the flows call them: picklable functions of plain arguments, one per stage and fold."""

from pathlib import Path

import pandas as pd

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_table
from mfer_core.base.settings import Settings
from mfer_core.training.audio import train_audio_fold
from mfer_core.training.fold import CLASSES
from mfer_core.training.fused import train_fused_fold
from mfer_core.training.pretrain import pretrain_audio
from mfer_core.training.results import collect
from mfer_core.training.visual import train_visual_fold

__all__ = [
    "FOLD_STAGES",
    "collect_predictions",
    "folds_to_train",
    "pretrain_audio",
    "train_audio_fold",
    "train_fused_fold",
    "train_visual_fold",
]

FOLD_STAGES = {
    "train_visual": train_visual_fold,
    "train_audio": train_audio_fold,
    "train_fused": train_fused_fold,
}


def folds_to_train(stage: str, data: Path, settings: Settings) -> list[tuple[str, int]]:
    """(protocol, fold) that ``stage`` trains: all of the folds table, or none where the settings leave its arm out."""
    if stage not in FOLD_STAGES:
        raise MferError(f"unknown stage {stage!r}: choose one of {', '.join(FOLD_STAGES)}")
    if stage.removeprefix("train_") not in settings.arms:
        return []
    folds = read_table(Path(data) / "folds" / "folds.parquet", ["protocol", "fold"]).drop_duplicates()
    return [(str(row.protocol), int(row.fold)) for row in folds.itertuples()]


def collect_predictions(stage: str, data: Path, settings: Settings) -> pd.DataFrame:
    """Write ``data/<stage>/predictions.parquet`` from its folds (empty where the arm is left out) and return it."""
    return collect(data, stage, CLASSES, folds_to_train(stage, data, settings))
