"""What stages 1 and 2b have in common: one arm on one fold of the benchmark corpus."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from torch import Tensor

from mfer_core.encoders.device import one_thread
from mfer_core.errors import MferError
from mfer_core.files import digest
from mfer_core.labels import label_set
from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.settings import TrainArm, TrainAudio
from mfer_core.training.clips import Clips
from mfer_core.training.finetune import blocks_of, embedded, fit_with_encoders, open_modality
from mfer_core.training.inputs import PARTS, Modality, make_clips, normalised, step_statistics
from mfer_core.training.loop import Run, seed_of
from mfer_core.training.optimiser import Group
from mfer_core.training.results import begin, finish, fit_temperature, fold_folder, is_done, probability_table

CLASSES = label_set("eight")
SHAPE = {
    "hidden_size",
    "layers",
    "dropout",
    "pool",
    "readout",
    "noise",
    "jitter",
    "normalisation",
}  # what an arm's settings say about its model


@dataclass(frozen=True)
class ArmJob:
    """One arm of one fold."""

    modality: str
    protocol: str
    fold: int
    data: Path
    benchmark: str  # corpus
    parts: dict[str, list[str]]
    manifest: pd.DataFrame
    inputs: str  # digest of what the fold reads


def fold_run(stage: str, protocol: str, fold: int, data: Path, seed: int, *shaped_by: object) -> Run:
    """The run of one fold of a stage; ``shaped_by`` is everything else that its key covers."""
    key = digest(stage, protocol, fold, seed, *shaped_by)
    folder, name = fold_folder(data, stage, protocol, fold), f"{stage} {protocol} fold {fold}"
    return Run(folder, key, seed_of(seed, stage, protocol, fold), name, turn=fold)


def new_arm(modality: str, dim: int, shape: TrainArm, classes: tuple[str, ...]) -> Arm:
    return Arm(ArmConfig(modality=modality, input_dim=dim, classes=classes, **shape.model_dump(include=SHAPE)))


def load_parts(job: ArmJob, modalities: dict[str, Modality]) -> dict[str, Clips]:
    """The fold's clips by part. Raises MferError when a part that training needs is empty."""
    clips = {part: make_clips(job.parts[part], job.manifest, CLASSES, modalities) for part in PARTS}
    for part in ("train", "valid"):
        if not len(clips[part]):
            raise MferError(f"fold {job.fold} of {job.protocol}: no {part} clips with {' or '.join(modalities)} embeddings")
    return clips


def with_place(table: pd.DataFrame, arm: str, protocol: str, fold: int) -> pd.DataFrame:
    """A probability table as rows of the predictions contract."""
    return table.assign(protocol=protocol, fold=fold, arm=arm)


def fold_facts(job: ArmJob, clips: dict[str, Clips], encoders: dict[str, dict], code: str, temperature: float, best_epoch: int) -> dict:
    """What a model says about itself beside its shape and labels."""
    return {
        "protocol": job.protocol,
        "fold": job.fold,
        "training_speakers": sorted({*clips["train"].speakers}),
        "selection_speakers": sorted({*clips["valid"].speakers}),
        "training_clips": len(clips["train"]),
        "encoders": encoders,
        "code": code,
        "data": job.inputs,
        "temperature": temperature,
        "best_epoch": best_epoch,
    }


def train_arm(
    job: ArmJob,
    run: Run,
    code: str,
    hyper: TrainArm | TrainAudio,
    build: Callable[[Modality], tuple[Arm, list[Group]]],
    blocks: dict[str, Tensor] | None = None,
) -> Path:
    """Train one arm on one fold and write its folder; returns at once when that is done under ``run.key``.

    ``blocks``: of the encoder, where a stage before this one trained some.
    """
    if is_done(run.folder, run.key):
        return run.folder
    begin(run.folder)
    with one_thread():
        modality, source = open_modality(job.data, job.modality, [job.benchmark], run.device(hyper.device), hyper.finetune, blocks or {})
        arm, groups = build(modality)
        clips = load_parts(job, {job.modality: normalised(modality, arm.config.normalisation, job.manifest)})
        arm.standardise(*step_statistics(clips["train"], job.modality))
        progress = fit_with_encoders(arm, groups, clips, len(CLASSES), hyper, run, [source])
        valid, test = (embedded(clips[part], [source]) for part in ("valid", "test"))
        predictions = with_place(probability_table(arm, test, CLASSES), job.modality, job.protocol, job.fold)
        encoders = {job.modality: source.metadata if source else modality.metadata}
        facts = fold_facts(job, clips, encoders, code, fit_temperature(arm, valid), progress.best_epoch)
        return finish(run, arm, progress.history, predictions, CLASSES, facts, blocks_of([source]))
