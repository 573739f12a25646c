"""Stage 2b: the audio arm on the benchmark corpus, its GRU taken over from stage 2a, its classifier new."""

from pathlib import Path

import torch

from mfer_core.cache.code import code_digest
from mfer_core.errors import MferError
from mfer_core.files import read_json
from mfer_core.models.arm import Arm
from mfer_core.models.store import CONFIG, load_model
from mfer_core.settings import Settings
from mfer_core.training.arm import CLASSES, SHAPE, ArmJob, fold_run, new_arm, train_arm
from mfer_core.training.inputs import Modality, fold_parts, inputs_digest, manifest_of
from mfer_core.training.optimiser import Group, trainable

STAGE = "train_audio"
PARENT = "pretrain_audio"


def parent_key(data: Path, settings: Settings) -> str:
    """The key of the stage 2a model that training starts from. Raises MferError when there is none."""
    if settings.train_audio.start == "scratch":
        return "scratch"
    config = read_json(Path(data) / PARENT / CONFIG)
    if config.get("skipped"):
        raise MferError(f"stage 2a left no model ({config['skipped']}): set train_audio.start to scratch or give it a corpus")
    return config["key"]


def start_arm(data: Path, modality: Modality, settings: Settings, seed: int) -> tuple[Arm, list[Group]]:
    """A new 8-class arm on stage 2a's GRU (or a fresh one), and its learning rates: new parts first."""
    hyper = settings.train_audio
    torch.manual_seed(seed)
    arm = new_arm("audio", modality.dim, settings.pretrain_audio, CLASSES)
    if hyper.start == "scratch":
        return arm, trainable(arm, hyper.learning_rate)
    parent, config = load_model(Path(data) / PARENT)
    if config["encoders"]["audio"] != modality.metadata:
        raise MferError("stage 2a was trained on another encoder's embeddings than the benchmark's: run embed and pretrain_audio again")
    arm.gru.load_state_dict(parent.gru.state_dict())
    head = {"params": list(arm.classifier.parameters()), "lr": hyper.learning_rate}
    return arm, [head, {"params": list(arm.gru.parameters()), "lr": hyper.gru_learning_rate}]


def train_audio_fold(protocol: str, fold: int, data: Path, settings: Settings) -> Path:
    """Train the audio arm on one fold; returns its folder, at once when it is done already."""
    hyper, corpus = settings.train_audio, settings.roles.benchmark
    parts, manifest = fold_parts(data, protocol, fold), manifest_of(data, [corpus])
    code = code_digest(__name__)
    shape = settings.pretrain_audio.model_dump(include=SHAPE)
    inputs = inputs_digest(data, ["audio"], [corpus], parts, manifest)
    run = fold_run(STAGE, protocol, fold, data, settings.seed, hyper.model_dump(), shape, inputs, parent_key(data, settings), code)
    job = ArmJob("audio", protocol, fold, Path(data), corpus, parts, manifest, inputs)
    return train_arm(job, run, code, hyper, lambda modality: start_arm(Path(data), modality, settings, run.seed))
