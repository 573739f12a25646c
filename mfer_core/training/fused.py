"""Stage 3: both arms together, from the two arms of the same fold."""

from dataclasses import replace
from pathlib import Path

import torch

from mfer_core.cache.code import code_digest
from mfer_core.encoders.device import one_thread
from mfer_core.files import read_json
from mfer_core.models.finetuned import MODALITIES
from mfer_core.models.fusion import Fused
from mfer_core.models.store import CONFIG, load_trained
from mfer_core.settings import Settings
from mfer_core.training.arm import CLASSES, ArmJob, fold_facts, fold_run, load_parts, with_place
from mfer_core.training.clips import Clips, in_order
from mfer_core.training.finetune import Sources, blocks_of, embedded, fit_with_encoders, open_modality
from mfer_core.training.inputs import fold_parts, inputs_digest, manifest_of, normalised
from mfer_core.training.loop import PREDICT_BATCH, Progress, Run, fit
from mfer_core.training.optimiser import trainable
from mfer_core.training.results import begin, finish, fit_temperature, fold_folder, is_done, probability_table

STAGE = "train_fused"


def hidden_states(fused: Fused, clips: Clips) -> Clips:
    """The clips with each modality's embeddings, in every view, replaced by the arm's last hidden state, as one step [1, H]."""
    fused.eval()
    states = _states(fused, clips)
    views: dict[str, list] = {}
    for name, several in clips.views.items():
        views[name] = [_states(fused, replace(clips, modalities={**clips.modalities, name: values}))[name] for values in several]
    sizes = {"visual": fused.visual.config.state_size, "audio": fused.audio.config.state_size}
    return Clips(clips.clip_ids, clips.speakers, clips.labels, states, sizes, views)


def _states(fused: Fused, clips: Clips) -> dict[str, list]:
    states: dict[str, list] = {name: [None] * len(clips) for name in MODALITIES}
    with torch.no_grad():
        for indices, (inputs, _) in in_order(clips, PREDICT_BATCH):
            for name, arm, values, lengths in zip(MODALITIES, (fused.visual, fused.audio), inputs[::2], inputs[1::2], strict=True):
                for i, state, length in zip(indices, arm.encode(values, lengths), lengths, strict=True):
                    states[name][i] = state[None].clone() if length else None
    return states


def train_parts(fused: Fused, clips: dict[str, Clips], settings: Settings, run: Run, sources: Sources) -> Progress:
    """Fit the whole network, encoders that learn included, or only the classifier, for which the arms' hidden states are computed once."""
    hyper = settings.train_fused
    if hyper.trainable == "all":
        return fit_with_encoders(fused, trainable(fused, hyper.learning_rate), clips, len(CLASSES), hyper, run, sources)
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
    hyper = settings.train_fused
    device = run.device(hyper.device)
    arms, opened = [], {}
    for name in MODALITIES:
        arm, _, blocks = load_trained(folders[name])
        arms.append(arm)
        opened[name] = open_modality(job.data, name, [job.benchmark], device, hyper.finetune_of(name), blocks.get(name, {}))
    modalities, sources = {name: modality for name, (modality, _) in opened.items()}, [source for _, source in opened.values()]
    how = {arm.config.modality: arm.config.normalisation for arm in arms}
    clips = load_parts(job, {name: normalised(modality, how[name], job.manifest) for name, modality in modalities.items()})
    fused = Fused(*arms)
    progress = train_parts(fused, clips, settings, run, sources)
    valid, test = (embedded(clips[part], sources) for part in ("valid", "test"))
    predictions = with_place(probability_table(fused, test, CLASSES), "fused", job.protocol, job.fold)
    encoders = {name: source.metadata if source else modality.metadata for name, (modality, source) in opened.items()}
    facts = fold_facts(job, clips, encoders, code, fit_temperature(fused, valid), progress.best_epoch)
    return finish(run, fused, progress.history, predictions, CLASSES, facts, blocks_of(sources))
