"""Stage 1: the image arm alone on the benchmark corpus."""

from pathlib import Path

import torch

from mfer_core.cache.code import code_digest
from mfer_core.settings import Settings
from mfer_core.training.arm import CLASSES, ArmJob, fold_run, new_arm, train_arm
from mfer_core.training.inputs import Modality, fold_parts, inputs_digest, manifest_of
from mfer_core.training.optimiser import trainable

STAGE = "train_visual"


def train_visual_fold(protocol: str, fold: int, data: Path, settings: Settings) -> Path:
    """Train the image arm on one fold; returns its folder, at once when it is done already."""
    hyper, corpus = settings.train_visual, settings.roles.benchmark
    parts, manifest = fold_parts(data, protocol, fold), manifest_of(data, [corpus])
    code = code_digest(__name__)
    inputs = inputs_digest(data, ["visual"], [corpus], parts, manifest)
    run = fold_run(STAGE, protocol, fold, data, settings.seed, hyper.model_dump(), inputs, code)

    def build(modality: Modality):
        torch.manual_seed(run.seed)
        arm = new_arm("visual", modality.dim, hyper, CLASSES)
        return arm, trainable(arm, hyper.learning_rate)

    return train_arm(ArmJob("visual", protocol, fold, Path(data), corpus, parts, manifest, inputs), run, code, hyper, build)
