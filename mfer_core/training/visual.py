"""Stage 1: the image arm alone on the benchmark corpus."""

from pathlib import Path

import torch

from mfer_core.base.settings import Settings
from mfer_core.cache.code import code_digest
from mfer_core.training.arm import new_arm, train_arm
from mfer_core.training.fit import trainable
from mfer_core.training.fold import CLASSES, fold_run, new_job
from mfer_core.training.inputs import Modality

STAGE = "train_visual"


def train_visual_fold(protocol: str, fold: int, data: Path, settings: Settings) -> Path:
    """Train the image arm on one fold; returns its folder, at once when it is done already."""
    hyper, code = settings.train_visual, code_digest(__name__)
    job = new_job("visual", ["visual"], protocol, fold, data, settings)
    run = fold_run(STAGE, job, settings.seed, hyper.model_dump(), code)

    def build(modality: Modality):
        torch.manual_seed(run.seed)
        arm = new_arm("visual", modality.dim, hyper, CLASSES)
        return arm, trainable(arm, hyper.learning_rate)

    return train_arm(job, run, code, hyper, build)
