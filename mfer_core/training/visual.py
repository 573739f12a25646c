"""Stage 1: the image arm alone on the benchmark corpus."""

from pathlib import Path

import torch

from mfer_core.cache.code import code_digest
from mfer_core.files import digest
from mfer_core.settings import Settings
from mfer_core.training.arm import CLASSES, ArmJob, new_arm, train_arm
from mfer_core.training.inputs import Modality, fold_parts, inputs_digest, manifest_of
from mfer_core.training.loop import Run, seed_of
from mfer_core.training.optimiser import trainable
from mfer_core.training.results import fold_folder

STAGE = "train_visual"


def train_visual_fold(protocol: str, fold: int, data: Path, settings: Settings) -> Path:
    """Train the image arm on one fold; returns its folder, at once when it is done already."""
    hyper, corpus = settings.train_visual, settings.roles.benchmark
    parts, manifest = fold_parts(data, protocol, fold), manifest_of(data, [corpus])
    code = code_digest(__name__)
    key = digest(STAGE, protocol, fold, settings.seed, hyper.model_dump(), inputs_digest(data, ["visual"], [corpus], parts, manifest), code)
    run = Run(
        fold_folder(data, STAGE, protocol, fold), key, seed_of(settings.seed, STAGE, protocol, fold), f"{STAGE} {protocol} fold {fold}"
    )

    def build(modality: Modality):
        torch.manual_seed(run.seed)
        arm = new_arm("visual", modality.dim, hyper, CLASSES)
        return arm, trainable(arm, hyper.learning_rate)

    return train_arm(ArmJob("visual", protocol, fold, Path(data), corpus, parts, manifest), run, code, hyper, build)
