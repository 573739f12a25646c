"""Stages 1, 2b and 3: a model on one fold of the benchmark, chosen on an inner split, then refitted.

Picklable functions of plain arguments, as the flows call them.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest, read_json, read_table
from mfer_core.base.labels import CLASSES
from mfer_core.base.modalities import MODALITIES
from mfer_core.base.paths import DataPaths, FoldName
from mfer_core.base.settings import Finetune, Settings, Train, TrainArm, TrainAudio, TrainFused
from mfer_core.cache.code import code_digest
from mfer_core.cache.embeddings import same_encoder
from mfer_core.dataset.clip_encoder import ClipEncoder, blocks_of, embedded, open_modality
from mfer_core.dataset.clips import Clips
from mfer_core.dataset.fold import Fold
from mfer_core.dataset.modality import ModalityEmbeddings, normalised
from mfer_core.dataset.steps import moments
from mfer_core.encoders.device import one_thread
from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.models.finetuned import TRAINABLE_MODULES
from mfer_core.models.fusion import Fused
from mfer_core.models.store import CONFIG, SELECTION, WEIGHTS, Blocks, begin, is_done, load_kind
from mfer_core.protocol.protocols import protocol as rules
from mfer_core.training.fit import Group, fit, fit_with_encoders, hidden_states, trainable
from mfer_core.training.loop import Progress, Run, seed_of
from mfer_core.training.results import collect, finish, probability_table

log = logging.getLogger("mfer")
# The settings of an arm that say what its model is.
SHAPE = {
    "hidden_size",
    "layers",
    "dropout",
    "standardise",
    "pool",
    "readout",
    "noise",
    "jitter",
    "normalisation",
}


def new_arm(modality: str, dim: int, shape: TrainArm, classes: tuple[str, ...]) -> Arm:
    """An arm with fresh weights (torch's global generator) on embeddings of ``dim``."""
    config = ArmConfig(modality=modality, input_dim=dim, classes=classes, **shape.model_dump(include=SHAPE))
    return Arm(config)


class FoldStage(ABC):
    """A stage of the method on one fold: what its model starts from."""

    arm: str
    modalities: tuple[str, ...]
    hyper: Train

    def __init__(self, fold: Fold, settings: Settings, seed: int):
        self.fold, self.settings, self.seed = fold, settings, seed
        self.name = f"train_{self.arm}"
        self.inputs = fold.digest(self.modalities)

    @abstractmethod
    def shaped_by(self) -> list:
        """What the key covers beside the fold, the code and ``hyper``."""

    @abstractmethod
    def start(
        self, modalities: dict[str, ModalityEmbeddings], seed: int, selection: bool
    ) -> tuple[Arm | Fused, list[Group]]:
        """The model before its first step, and its learning rates.

        ``selection``: from parents that have not seen the validation clips, where there are such.
        """

    @abstractmethod
    def finetune_of(self, modality: str) -> Finetune:
        """How the encoder of ``modality`` learns with the model."""

    def blocks(self, selection: bool) -> Blocks:
        """Blocks of the encoders that an earlier stage trained."""
        return {}

    def run(self) -> Run:
        """Its key covers the code of an encoder only where that learns here or has learned before."""
        fold = self.fold
        names = [
            name for name in self.modalities if self.finetune_of(name).blocks or self.blocks(False).get(name)
        ]
        code = [code_digest(module) for module in (__name__, *(TRAINABLE_MODULES[name] for name in names))]
        shaped_by = [self.refit, self.hyper.model_dump(), self.shaped_by(), code]
        key = digest(self.name, fold.protocol, fold.number, self.seed, self.inputs, shaped_by)
        seed = seed_of(self.seed, self.name, fold.protocol, fold.number)
        folder = fold.paths.fold(self.name, fold.protocol, self.seed, fold.number)
        name = f"{self.name} {fold.protocol} seed {self.seed} fold {fold.number}"
        return Run(folder, key, seed, name, fold.number)

    @property
    def refit(self) -> bool:
        """As the settings say, but not where the epoch is chosen on the test fold or on published actors."""
        return self.settings.folds.refit and rules(self.fold.protocol).inner


class VisualStage(FoldStage):
    """Stage 1: the image arm alone."""

    arm, modalities = "visual", ("visual",)
    hyper: TrainArm

    def __init__(self, fold: Fold, settings: Settings, seed: int):
        super().__init__(fold, settings, seed)
        self.hyper = settings.train_visual

    def finetune_of(self, modality: str) -> Finetune:
        return self.hyper.finetune

    def shaped_by(self) -> list:
        return []

    def start(
        self, modalities: dict[str, ModalityEmbeddings], seed: int, selection: bool
    ) -> tuple[Arm, list[Group]]:
        torch.manual_seed(seed)
        arm = new_arm("visual", modalities["visual"].dim, self.hyper, CLASSES)
        return arm, trainable(arm, self.hyper.learning_rate)


class AudioStage(FoldStage):
    """Stage 2b: the audio arm, its GRU taken over from stage 2a, its classifier new."""

    arm, modalities = "audio", ("audio",)
    hyper: TrainAudio

    def __init__(self, fold: Fold, settings: Settings, seed: int):
        """Raises MferError when there is no stage 2a model to start from."""
        super().__init__(fold, settings, seed)
        self.hyper = settings.train_audio
        self.parent: Arm | None = None
        self.parent_key = "scratch"
        self.parent_encoder: dict = {}
        self.parent_blocks: Blocks = {}
        if self.hyper.start == "pretrain_audio":
            folder = fold.paths.stage("pretrain_audio")
            if skipped := read_json(folder / CONFIG).get("skipped"):
                raise MferError(
                    f"stage 2a left no model ({skipped}): set train_audio.start to scratch or give it a "
                    "corpus"
                )
            self.parent, config, self.parent_blocks = load_kind(Arm, folder)
            self.parent_key, self.parent_encoder = config["key"], config["encoders"]["audio"]

    def finetune_of(self, modality: str) -> Finetune:
        return self.hyper.finetune

    def shaped_by(self) -> list:
        return [self.settings.pretrain_audio.model_dump(include=SHAPE), self.parent_key]

    def blocks(self, selection: bool) -> Blocks:
        return self.parent_blocks

    def start(
        self, modalities: dict[str, ModalityEmbeddings], seed: int, selection: bool
    ) -> tuple[Arm, list[Group]]:
        torch.manual_seed(seed)
        arm = new_arm("audio", modalities["audio"].dim, self.settings.pretrain_audio, CLASSES)
        if self.parent is None:
            return arm, trainable(arm, self.hyper.learning_rate)
        if not same_encoder(self.parent_encoder, modalities["audio"].metadata):
            raise MferError(
                "stage 2a was trained on another encoder's embeddings than the benchmark's: run embed and "
                "pretrain_audio again"
            )
        arm.gru.load_state_dict(self.parent.gru.state_dict())
        head = {"params": list(arm.classifier.parameters()), "lr": self.hyper.learning_rate}
        return arm, [head, {"params": list(arm.gru.parameters()), "lr": self.hyper.gru_learning_rate}]


class FusedStage(FoldStage):
    """Stage 3: both arms of the same fold together."""

    arm, modalities = "fused", MODALITIES
    hyper: TrainFused

    def __init__(self, fold: Fold, settings: Settings, seed: int):
        super().__init__(fold, settings, seed)
        self.hyper = settings.train_fused
        self.folders = {
            name: fold.paths.fold(f"train_{name}", fold.protocol, seed, fold.number) for name in MODALITIES
        }

    def finetune_of(self, modality: str) -> Finetune:
        return self.hyper.finetune_of(modality)

    def shaped_by(self) -> list:
        return [read_json(folder / CONFIG)["key"] for folder in self.folders.values()]

    def arms(self, selection: bool) -> dict[str, tuple[Arm, dict[str, Tensor]]]:
        """Each arm with the blocks of its encoder."""
        loaded = {name: load_kind(Arm, folder, selection) for name, folder in self.folders.items()}
        return {name: (arm, blocks.get(name, {})) for name, (arm, _, blocks) in loaded.items()}

    def blocks(self, selection: bool) -> Blocks:
        return {name: blocks for name, (_, blocks) in self.arms(selection).items() if blocks}

    def start(
        self, modalities: dict[str, ModalityEmbeddings], seed: int, selection: bool
    ) -> tuple[Fused, list[Group]]:
        fused = Fused(*(arm for arm, _ in self.arms(selection).values()))
        part = fused if self.hyper.trainable == "all" else fused.head
        return fused, trainable(part, self.hyper.learning_rate)


@dataclass(frozen=True)
class Fitted:
    """A model after training, its clips by part, and the encoders that were opened for it."""

    model: Arm | Fused
    clips: dict[str, Clips]
    encoders: dict[str, ClipEncoder]
    metadata: dict[str, dict]  # of the encoder behind each modality
    progress: Progress

    def part(self, name: str) -> Clips:
        """A part's clips as the model sees them."""
        return embedded(self.clips[name], self.encoders.values())

    @property
    def rates(self) -> list[float]:
        """The learning rates up to the best epoch."""
        return [row["lr"] for row in self.progress.history[: self.progress.best_epoch]]


def fit_once(stage: FoldStage, fold: Fold, run: Run, rates: Sequence[float] = ()) -> Fitted:
    """Train the stage's model on ``fold``. With ``rates`` nothing is chosen (see ``fit``)."""
    hyper, selection, device = stage.hyper, not rates, run.device(stage.hyper.device)
    modalities: dict[str, ModalityEmbeddings] = {}
    encoders: dict[str, ClipEncoder] = {}
    blocks = stage.blocks(selection)
    for name in stage.modalities:
        finetune = stage.finetune_of(name)
        modalities[name], encoder = open_modality(fold, name, str(device), finetune, blocks.get(name, {}))
        encoders |= {name: encoder} if encoder else {}
    model, groups = stage.start(modalities, run.seed, selection)
    arms = {"visual": model.visual, "audio": model.audio} if isinstance(model, Fused) else {stage.arm: model}
    inputs = {
        name: normalised(modality, arms[name].config.normalisation, fold.manifest)
        for name, modality in modalities.items()
    }
    clips = fold.clips(inputs)
    if isinstance(model, Arm):
        model.standardise(*moments(clips["train"].modalities[stage.arm]))
    if isinstance(model, Fused) and isinstance(hyper, TrainFused) and hyper.trainable == "classifier":
        # Nothing below the head changes, so the arms' states are computed once.
        train, valid = (hidden_states(model, clips[part]) for part in ("train", "valid"))
        progress = fit(model.head, groups, train, valid, len(CLASSES), hyper, run, rates)
    else:
        progress = fit_with_encoders(model, groups, clips, len(CLASSES), hyper, run, encoders, rates)
    metadata = {name: (encoders.get(name) or modalities[name]).metadata for name in modalities}
    return Fitted(model, clips, encoders, metadata, progress)


STAGES: dict[str, Callable[[Fold, Settings, int], FoldStage]] = {
    "train_visual": VisualStage,
    "train_audio": AudioStage,
    "train_fused": FusedStage,
}


def used_clips(clips: dict[str, Clips]) -> set[str]:
    """The clips of all parts."""
    return {clip for part in clips.values() for clip in part.clip_ids}


def train_fold(stage: str, protocol: str, seed: int, number: int, data: Path, settings: Settings) -> Path:
    """Train a stage's model on one fold with one of the settings' ``seeds`` and write its folder; returns the
    folder, at once when it is done already.

    First the validation part chooses the epoch. Then, unless the settings or the protocol say no, a fresh
    model is trained on both parts for as many epochs at the same rates. Only that one sees the test part.
    """
    fold = Fold.read(data, settings.roles.benchmark, protocol, number)
    job = STAGES[stage](fold, settings, seed)
    run = job.run()
    if is_done(run.folder, run.key):
        return run.folder
    begin(run.folder)
    with one_thread():
        chosen = fit_once(job, fold, run)
        final = fit_once(job, fold.with_valid(), run.refit(), chosen.rates) if job.refit else chosen
        predictions = probability_table(final.model, final.part("test"), CLASSES)
    predictions = predictions.assign(protocol=protocol, fold=number, seed=seed, arm=job.arm)
    left_out = len({clip for ids in fold.parts.values() for clip in ids}) - len(used_clips(final.clips))
    if left_out:
        log.info(
            "%s: %d clips of the fold have no %s embeddings", run.name, left_out, " or ".join(job.modalities)
        )
    facts = {
        "protocol": protocol,
        "fold": number,
        "seed": seed,
        "training_speakers": sorted({*final.clips["train"].speakers}),
        "selection_speakers": sorted({*final.clips["valid"].speakers}),
        "training_clips": len(final.clips["train"]),
        "clips_left_out": left_out,
        "refit": job.refit,
        "best_epoch": chosen.progress.best_epoch,
        "encoders": final.metadata,
        "data": job.inputs,
        "code": code_digest(__name__),
    }
    models = {WEIGHTS: final} | ({SELECTION: chosen} if job.refit else {})
    stored = {file: (fitted.model, blocks_of(fitted.encoders)) for file, fitted in models.items()}
    return finish(run, stored, chosen.progress.history, predictions, CLASSES, facts)


def folds_to_train(stage: str, data: Path, settings: Settings) -> list[FoldName]:
    """What ``stage`` trains: all of the folds table with each seed, or nothing where the settings leave its
    arm out.
    """
    if stage.removeprefix("train_") not in settings.arms:
        return []
    folds = read_table(DataPaths(Path(data)).folds, ["protocol", "fold"]).drop_duplicates()
    return [(str(row.protocol), seed, int(row.fold)) for seed in settings.seeds for row in folds.itertuples()]


def collect_predictions(stage: str, data: Path, settings: Settings) -> pd.DataFrame:
    """Write ``data/<stage>/predictions.parquet`` from its folds (empty where the arm is left out) and return
    it.
    """
    return collect(data, stage, CLASSES, folds_to_train(stage, data, settings))
