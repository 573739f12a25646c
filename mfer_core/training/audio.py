"""Stage 2b: the audio arm on the benchmark corpus, its GRU taken over from stage 2a, its classifier new."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json
from mfer_core.base.settings import Settings
from mfer_core.cache.code import code_digest
from mfer_core.cache.embeddings import same_encoder
from mfer_core.models.arm import Arm
from mfer_core.models.store import CONFIG, load_trained
from mfer_core.training.arm import SHAPE, new_arm, train_arm
from mfer_core.training.fit import Group, trainable
from mfer_core.training.fold import CLASSES, fold_run, new_job
from mfer_core.training.inputs import Modality

STAGE = "train_audio"
PARENT = "pretrain_audio"


@dataclass(frozen=True)
class Parent:
    """The stage 2a model that training starts from; without a GRU where it starts from scratch."""

    key: str
    gru: dict[str, Tensor] | None = None
    encoder: dict | None = None  # metadata
    blocks: dict[str, Tensor] = field(default_factory=dict)  # of the encoder, that stage 2a trained


def read_parent(data: Path, settings: Settings) -> Parent:
    """Raises MferError when there is no stage 2a model to start from."""
    if settings.train_audio.start == "scratch":
        return Parent("scratch")
    folder = Path(data) / PARENT
    config = read_json(folder / CONFIG)
    if config.get("skipped"):
        raise MferError(
            f"stage 2a left no model ({config['skipped']}): set train_audio.start to scratch or give it a corpus"
        )
    arm, config, blocks = load_trained(folder)
    return Parent(config["key"], arm.gru.state_dict(), config["encoders"]["audio"], blocks.get("audio", {}))


def start_arm(parent: Parent, modality: Modality, settings: Settings, seed: int) -> tuple[Arm, list[Group]]:
    """A new 8-class arm on stage 2a's GRU (or a fresh one), and its learning rates: new parts first."""
    hyper = settings.train_audio
    torch.manual_seed(seed)
    arm = new_arm("audio", modality.dim, settings.pretrain_audio, CLASSES)
    if parent.gru is None:
        return arm, trainable(arm, hyper.learning_rate)
    if not same_encoder(parent.encoder, modality.metadata):
        raise MferError(
            "stage 2a was trained on another encoder's embeddings than the benchmark's: run embed and pretrain_audio again"
        )
    arm.gru.load_state_dict(parent.gru)
    head = {"params": list(arm.classifier.parameters()), "lr": hyper.learning_rate}
    return arm, [head, {"params": list(arm.gru.parameters()), "lr": hyper.gru_learning_rate}]


def train_audio_fold(protocol: str, fold: int, data: Path, settings: Settings) -> Path:
    """Train the audio arm on one fold; returns its folder, at once when it is done already."""
    hyper, code, parent = settings.train_audio, code_digest(__name__), read_parent(data, settings)
    job = new_job("audio", ["audio"], protocol, fold, data, settings)
    run = fold_run(
        STAGE,
        job,
        settings.seed,
        hyper.model_dump(),
        settings.pretrain_audio.model_dump(include=SHAPE),
        parent.key,
        code,
    )
    return train_arm(
        job, run, code, hyper, lambda modality: start_arm(parent, modality, settings, run.seed), parent.blocks
    )
