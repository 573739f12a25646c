"""What stages 1, 2b and 3 have in common: a model on one fold of the benchmark corpus, chosen on an inner split, then refitted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest
from mfer_core.base.labels import label_set
from mfer_core.base.settings import Settings
from mfer_core.encoders.device import one_thread
from mfer_core.models.arm import Arm
from mfer_core.models.fusion import Fused
from mfer_core.models.store import CHOOSER, WEIGHTS
from mfer_core.protocol.protocols import PARTS
from mfer_core.protocol.protocols import protocol as rules
from mfer_core.training.clips import Clips
from mfer_core.training.finetune import Sources, blocks_of, embedded
from mfer_core.training.inputs import Modality, fold_parts, inputs_digest, make_clips, manifest_of
from mfer_core.training.loop import Progress, Run, seed_of
from mfer_core.training.results import begin, finish, fit_temperature, fold_folder, is_done, probability_table

CLASSES = label_set("eight")


@dataclass(frozen=True)
class Job:
    """One model of one fold."""

    arm: str
    protocol: str
    fold: int
    data: Path
    benchmark: str  # corpus
    parts: dict[str, list[str]]
    manifest: pd.DataFrame
    inputs: str  # digest of what the fold reads
    refit: bool  # as the settings say, and never where the checkpoint is picked on the test fold or on published actors

    def whole(self) -> "Job":
        """The same with the validation clips among those that are trained on."""
        return replace(
            self, parts={**self.parts, "train": sorted({*self.parts["train"], *self.parts["valid"]})}
        )


@dataclass(frozen=True)
class Fitted:
    """A model after training, its clips by part, and the encoders that were trained with it."""

    model: Arm | Fused
    clips: dict[str, Clips]
    sources: Sources
    encoders: dict[str, dict]  # modality -> metadata
    progress: Progress

    def part(self, name: str) -> Clips:
        """A part's clips as the model sees them."""
        return embedded(self.clips[name], self.sources)

    @property
    def rates(self) -> list[float]:
        """The learning rates up to the best epoch."""
        return [row["lr"] for row in self.progress.history[: self.progress.best_epoch]]


def new_job(
    arm: str, modalities: Sequence[str], protocol: str, fold: int, data: Path, settings: Settings
) -> Job:
    """Raises MferError when the folds table does not hold the fold."""
    data, corpus = Path(data), settings.roles.benchmark
    parts, manifest = fold_parts(data, protocol, fold), manifest_of(data, [corpus])
    inputs = inputs_digest(data, modalities, [corpus], parts, manifest)
    refit = settings.folds.refit and rules(protocol).inner
    return Job(arm, protocol, fold, data, corpus, parts, manifest, inputs, refit)


def fold_run(stage: str, job: Job, seed: int, *shaped_by: object) -> Run:
    """The run of a fold; ``shaped_by`` is everything that its key covers beside the job and the seed."""
    place = (stage, job.protocol, job.fold)
    key = digest(*place, seed, job.inputs, job.refit, *shaped_by)
    folder = fold_folder(job.data, *place)
    return Run(folder, key, seed_of(seed, *place), f"{stage} {job.protocol} fold {job.fold}", job.fold)


def load_parts(job: Job, modalities: dict[str, Modality]) -> dict[str, Clips]:
    """The fold's clips by part. Raises MferError when a part that training needs is empty."""
    clips = {part: make_clips(job.parts[part], job.manifest, CLASSES, modalities) for part in PARTS}
    for part in ("train", "valid"):
        if not len(clips[part]):
            raise MferError(
                f"fold {job.fold} of {job.protocol}: no {part} clips with {' or '.join(modalities)} embeddings"
            )
    return clips


def train_fold(
    job: Job, run: Run, code: str, fit_once: Callable[[Job, Run, Sequence[float]], Fitted]
) -> Path:
    """Train a model on one fold and write its folder; returns at once when that is done under ``run.key``.

    ``fit_once`` trains it. First the validation part chooses the epoch, and calibrates; then, where the job says so, a fresh
    model is trained on both parts for as many epochs at the same rates. Only that one sees the test part.
    """
    if is_done(run.folder, run.key):
        return run.folder
    begin(run.folder)
    with one_thread():
        chosen = fit_once(job, run, ())
        temperature = fit_temperature(chosen.model, chosen.part("valid"))
        final = fit_once(job.whole(), run.refit(), chosen.rates) if job.refit else chosen
        predictions = probability_table(final.model, final.part("test"), CLASSES)
    predictions = predictions.assign(protocol=job.protocol, fold=job.fold, arm=job.arm)
    facts = _facts(job, final) | {
        "code": code,
        "temperature": temperature,
        "best_epoch": chosen.progress.best_epoch,
    }
    models = {WEIGHTS: final} | ({CHOOSER: chosen} if job.refit else {})
    stored = {file: (fitted.model, blocks_of(fitted.sources)) for file, fitted in models.items()}
    return finish(run, stored, chosen.progress.history, predictions, CLASSES, facts)


def _facts(job: Job, final: Fitted) -> dict:
    """What a model says about itself beside its shape and labels."""
    return {
        "protocol": job.protocol,
        "fold": job.fold,
        "training_speakers": sorted({*final.clips["train"].speakers}),
        "selection_speakers": sorted({*final.clips["valid"].speakers}),
        "training_clips": len(final.clips["train"]),
        "refit": job.refit,
        "encoders": final.encoders,
        "data": job.inputs,
    }
