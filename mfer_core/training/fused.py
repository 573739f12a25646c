"""Stage 3: both arms together, from the two arms of the same fold."""

from dataclasses import replace
from pathlib import Path

import torch

from mfer_core.cache.code import code_digest
from mfer_core.encoders.device import one_thread
from mfer_core.files import read_json
from mfer_core.models.fusion import Fused
from mfer_core.models.store import CONFIG, load_model
from mfer_core.settings import Settings
from mfer_core.training.arm import CLASSES, ArmJob, fold_facts, fold_run, load_parts, with_place
from mfer_core.training.clips import Clips, in_order
from mfer_core.training.inputs import fold_parts, inputs_digest, load_modality, manifest_of
from mfer_core.training.loop import PREDICT_BATCH, Progress, Run, fit
from mfer_core.training.optimiser import trainable
from mfer_core.training.results import begin, finish, fit_temperature, fold_folder, is_done, probability_table

STAGE = "train_fused"
MODALITIES = ("visual", "audio")  # the order of the fused model's inputs


def hidden_states(fused: Fused, clips: Clips) -> Clips:
    """The clips with each modality's embeddings, in every view, replaced by the arm's last hidden state, as one step [1, H]."""
    fused.eval()
    states = _states(fused, clips)
    views: dict[str, list] = {}
    for name, several in clips.views.items():
        views[name] = [_states(fused, replace(clips, modalities={**clips.modalities, name: values}))[name] for values in several]
    sizes = {"visual": fused.visual.config.hidden_size, "audio": fused.audio.config.hidden_size}
    return Clips(clips.clip_ids, clips.speakers, clips.labels, states, sizes, views)


def _states(fused: Fused, clips: Clips) -> dict[str, list]:
    states: dict[str, list] = {name: [None] * len(clips) for name in MODALITIES}
    with torch.no_grad():
        for indices, (inputs, _) in in_order(clips, PREDICT_BATCH):
            for name, arm, values, lengths in zip(MODALITIES, (fused.visual, fused.audio), inputs[::2], inputs[1::2], strict=True):
                for i, state, length in zip(indices, arm.encode(values, lengths), lengths, strict=True):
                    states[name][i] = state[None].clone() if length else None
    return states


def train_parts(fused: Fused, clips: dict[str, Clips], settings: Settings, run: Run) -> Progress:
    """Fit the whole network, or only the classifier, for which the arms' hidden states are computed once."""
    hyper = settings.train_fused
    if hyper.trainable == "all":
        return fit(fused, trainable(fused, hyper.learning_rate), clips["train"], clips["valid"], len(CLASSES), hyper, run)
    train, valid = hidden_states(fused, clips["train"]), hidden_states(fused, clips["valid"])
    return fit(fused.head, trainable(fused.head, hyper.learning_rate), train, valid, len(CLASSES), hyper, run)


def train_fused_fold(protocol: str, fold: int, data: Path, settings: Settings) -> Path:
    """Train the fused model on one fold; returns its folder, at once when it is done already."""
    data, hyper, corpus = Path(data), settings.train_fused, settings.roles.benchmark
    parts, manifest = fold_parts(data, protocol, fold), manifest_of(data, [corpus])
    folders = {name: fold_folder(data, f"train_{name}", protocol, fold) for name in MODALITIES}
    parents = [read_json(folder / CONFIG)["key"] for folder in folders.values()]
    code = code_digest(__name__)
    inputs = inputs_digest(data, MODALITIES, [corpus], parts, manifest)
    run = fold_run(STAGE, protocol, fold, data, settings.seed, hyper.model_dump(), parents, inputs, code)
    if is_done(run.folder, run.key):
        return run.folder
    begin(run.folder)
    job = ArmJob("fused", protocol, fold, data, corpus, parts, manifest, inputs)
    with one_thread():
        return _train(job, run, code, folders, settings)


def _train(job: ArmJob, run: Run, code: str, folders: dict[str, Path], settings: Settings) -> Path:
    modalities = {name: load_modality(job.data, name, [job.benchmark], views=True) for name in MODALITIES}
    clips = load_parts(job, modalities)
    fused = Fused(*(load_model(folders[name])[0] for name in MODALITIES))
    progress = train_parts(fused, clips, settings, run)
    predictions = with_place(probability_table(fused, clips["test"], CLASSES), "fused", job.protocol, job.fold)
    encoders = {name: modality.metadata for name, modality in modalities.items()}
    facts = fold_facts(job, clips, encoders, code, fit_temperature(fused, clips["valid"]), progress.best_epoch)
    return finish(run, fused, progress.history, predictions, CLASSES, facts)
