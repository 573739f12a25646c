"""Stages 1, 2b and 3: a model on one fold of the benchmark, chosen on an inner split, then refitted.

Picklable functions of plain arguments, as the flows call them.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json, read_table
from mfer_core.base.labels import LabelSet
from mfer_core.base.modalities import MODALITIES
from mfer_core.base.paths import DataPaths, FoldName
from mfer_core.base.settings import Finetune, Settings, TrainArm, TrainAudio, TrainFused, TrainVisual
from mfer_core.cache.code import code_digest
from mfer_core.cache.embeddings import same_encoder
from mfer_core.dataset.clip_encoder import blocks_of
from mfer_core.dataset.fold import Fold
from mfer_core.dataset.modality import ModalityEmbeddings
from mfer_core.encoders.device import one_thread
from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.models.fusion import Fused
from mfer_core.models.store import CONFIG, SELECTION, WEIGHTS, Blocks, begin, is_done, load_kind
from mfer_core.training.fit import Group, trainable
from mfer_core.training.fold_fit import Fitted, FoldStage, fit_once
from mfer_core.training.loop import forget_checkpoints
from mfer_core.training.results import collect, finish, probability_table

log = logging.getLogger("mfer")
# The settings of an arm that say what its model is.
SHAPE = {
    *("hidden_size", "layers", "dropout", "standardise", "pool", "readout", "noise", "jitter"),
    "normalisation",
}


def new_arm(name: str, modality: ModalityEmbeddings, shape: TrainArm, classes: tuple[str, ...]) -> Arm:
    """An arm with fresh weights (torch's global generator) on the embeddings of ``modality``."""
    config = ArmConfig(
        modality=name,
        input_dim=modality.dim,
        mixed_layers=modality.mixed_layers,
        classes=classes,
        **shape.model_dump(include=SHAPE),
    )
    return Arm(config)


class VisualStage(FoldStage):
    """Stage 1: the image arm alone."""

    arm, modalities = "visual", ("visual",)
    section: TrainVisual

    def __init__(self, fold: Fold, settings: Settings, seed: int):
        super().__init__(fold, settings, seed)
        self.section = settings.train_visual

    def finetune_of(self, modality: str) -> Finetune:
        return self.section.finetune

    def shaped_by(self) -> list:
        return []

    def start(
        self, modalities: dict[str, ModalityEmbeddings], seed: int, selection: bool
    ) -> tuple[Arm, list[Group]]:
        torch.manual_seed(seed)
        arm = new_arm("visual", modalities["visual"], self.section, self.fold.classes)
        return arm, trainable(arm, self.section.learning_rate)


class AudioStage(FoldStage):
    """Stage 2b: the audio arm, its GRU taken over from stage 2a, its classifier new."""

    arm, modalities = "audio", ("audio",)
    section: TrainAudio

    def __init__(self, fold: Fold, settings: Settings, seed: int):
        """Raises MferError when there is no stage 2a model to start from."""
        super().__init__(fold, settings, seed)
        self.section = settings.train_audio
        self.parent: Arm | None = None
        self.parent_key = "scratch"
        self.parent_encoder: dict = {}
        self.parent_blocks: Blocks = {}
        if self.section.start == "pretrain_audio":
            folder = fold.paths.stage("pretrain_audio")
            if skipped := read_json(folder / CONFIG).get("skipped"):
                raise MferError(
                    f"stage 2a left no model ({skipped}): set train_audio.start to scratch or give it a "
                    "corpus"
                )
            self.parent, config, self.parent_blocks = load_kind(Arm, folder)
            self.parent_key, self.parent_encoder = config["key"], config["encoders"]["audio"]

    def finetune_of(self, modality: str) -> Finetune:
        return self.section.finetune

    def shaped_by(self) -> list:
        return [self.settings.pretrain_audio.model_dump(include=SHAPE), self.parent_key]

    def blocks(self, selection: bool) -> Blocks:
        return self.parent_blocks

    def start(
        self, modalities: dict[str, ModalityEmbeddings], seed: int, selection: bool
    ) -> tuple[Arm, list[Group]]:
        torch.manual_seed(seed)
        arm = new_arm("audio", modalities["audio"], self.settings.pretrain_audio, self.fold.classes)
        if self.parent is None:
            return arm, trainable(arm, self.section.learning_rate)
        if not same_encoder(*map(_of_any_silence, (self.parent_encoder, modalities["audio"].metadata))):
            raise MferError(
                "stage 2a was trained on another encoder's embeddings than the benchmark's: run embed and "
                "pretrain_audio again"
            )
        arm.take_reader(self.parent)
        head = list(arm.classifier.parameters())
        reader = [value for name, value in arm.named_parameters() if not name.startswith("classifier.")]
        return arm, [
            {"params": head, "lr": self.section.learning_rate},
            {"params": reader, "lr": self.section.gru_learning_rate},
        ]


def _of_any_silence(metadata: dict) -> dict:
    """An encoder's metadata without the rule of silence, which may be another for stage 2a (embed.vad)."""
    return {name: value for name, value in metadata.items() if name != "vad_min_clip_s"}


class FusedStage(FoldStage):
    """Stage 3: both arms of the same fold together."""

    arm, modalities = "fused", MODALITIES
    section: TrainFused

    def __init__(self, fold: Fold, settings: Settings, seed: int):
        super().__init__(fold, settings, seed)
        self.section = settings.train_fused
        self.folders = {name: fold.model_folder(f"train_{name}", seed) for name in MODALITIES}

    def finetune_of(self, modality: str) -> Finetune:
        return self.section.finetune_of(modality)

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
        torch.manual_seed(seed)
        visual, audio = (arm for arm, _ in self.arms(selection).values())
        fused = Fused(visual, audio, self.section.fusion)
        part = fused if self.section.trainable == "all" else fused.head
        return fused, trainable(part, self.section.learning_rate)


STAGES: dict[str, Callable[[Fold, Settings, int], FoldStage]] = {
    "train_visual": VisualStage,
    "train_audio": AudioStage,
    "train_fused": FusedStage,
}


def facts_of(job: FoldStage, fitted: Fitted) -> dict:
    """What a model's ``config.json`` says of how it came about, whatever it was trained on."""
    known = {clip for ids in job.fold.parts.values() for clip in ids}
    left_out = len(known - {clip for part in fitted.clips.values() for clip in part.clip_ids})
    if left_out:
        names = " or ".join(job.modalities)
        log.info("%s %s: %d clips have no %s embeddings", job.name, job.fold.name, left_out, names)
    return {
        "protocol": job.fold.protocol,
        "fold": job.fold.number,
        "seed": job.seed,
        "training_speakers": sorted({*fitted.clips["train"].speakers}),
        "training_clips": len(fitted.clips["train"]),
        "clips_left_out": left_out,
        "encoders": fitted.metadata,
        "data": job.inputs,
        "code": code_digest(__name__),
    }


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
        forget_checkpoints(run.folder)  # A run that was killed after its mark left them.
        return run.folder
    begin(run.folder)
    with one_thread():
        chosen = fit_once(job, fold, run)
        final = fit_once(job, fold.with_valid(), run.refit(), chosen.choice) if job.refit else chosen
        predictions = probability_table(final.model, final.part("test"), fold.classes)
    predictions = predictions.assign(protocol=protocol, fold=number, seed=seed, arm=job.arm)
    facts = facts_of(job, final) | {
        "selection_speakers": sorted({*final.clips["valid"].speakers}),
        "refit": job.refit,
        "best_epoch": chosen.progress.best_epoch,
        "stacked": chosen.stacked.facts if chosen.stacked else None,
    }
    models = {WEIGHTS: final} | ({SELECTION: chosen} if job.refit else {})
    stored = {file: (fitted.model, blocks_of(fitted.encoders)) for file, fitted in models.items()}
    return finish(run, stored, chosen.progress.history, predictions, fold.classes, facts)


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
    classes = LabelSet.read(DataPaths(Path(data)).labels).classes
    return collect(data, stage, classes, folds_to_train(stage, data, settings))
