"""What stages 1 and 2b have in common: one arm."""

from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from mfer_core.base.settings import TrainArm, TrainAudio
from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.training.finetune import fit_with_encoders, open_modality
from mfer_core.training.fit import Group
from mfer_core.training.fold import CLASSES, Fitted, Job, load_parts, train_fold
from mfer_core.training.inputs import Modality, normalised, step_statistics
from mfer_core.training.loop import Run

# What an arm's settings say about its model.
SHAPE = {"hidden_size", "layers", "dropout", "pool", "readout", "noise", "jitter", "normalisation"}


def new_arm(modality: str, dim: int, shape: TrainArm, classes: tuple[str, ...]) -> Arm:
    return Arm(
        ArmConfig(modality=modality, input_dim=dim, classes=classes, **shape.model_dump(include=SHAPE))
    )


def train_arm(
    job: Job,
    run: Run,
    code: str,
    hyper: TrainArm | TrainAudio,
    build: Callable[[Modality], tuple[Arm, list[Group]]],
    blocks: dict[str, Tensor] | None = None,
) -> Path:
    """Train one arm on one fold and write its folder.

    ``blocks``: of the encoder, where a stage before this one trained some.
    """

    def fit_once(job: Job, run: Run, rates: Sequence[float]) -> Fitted:
        device = str(run.device(hyper.device))
        modality, source = open_modality(
            job.data, job.arm, [job.benchmark], device, hyper.finetune, blocks or {}
        )
        arm, groups = build(modality)
        clips = load_parts(job, {job.arm: normalised(modality, arm.config.normalisation, job.manifest)})
        arm.standardise(*step_statistics(clips["train"], job.arm))
        progress = fit_with_encoders(arm, groups, clips, len(CLASSES), hyper, run, [source], rates)
        return Fitted(
            arm, clips, [source], {job.arm: source.metadata if source else modality.metadata}, progress
        )

    return train_fold(job, run, code, fit_once)
