"""params.yaml as typed, validated settings. One class per section; a section is named like the stage that reads it."""

from mfer_core.settings.sections import (
    Corpus,
    DemoSize,
    Embed,
    Evaluate,
    Extract,
    Folds,
    Ingest,
    PretrainEmotion2vec,
    PretrainVit,
    Register,
    Roles,
    Tracking,
    Transfer,
)
from mfer_core.settings.training import Finetune, PretrainAudio, Train, TrainArm, TrainAudio, TrainFused
from mfer_core.settings.whole import Settings, load_settings

__all__ = [
    "Corpus",
    "DemoSize",
    "Embed",
    "Evaluate",
    "Extract",
    "Finetune",
    "Folds",
    "Ingest",
    "PretrainAudio",
    "PretrainEmotion2vec",
    "PretrainVit",
    "Register",
    "Roles",
    "Settings",
    "Tracking",
    "Train",
    "TrainArm",
    "TrainAudio",
    "TrainFused",
    "Transfer",
    "load_settings",
]
