"""Stage 3: both arms together, from the two arms of the same fold."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from mfer_core.base.files import read_json
from mfer_core.base.settings import Settings, TrainFused
from mfer_core.cache.code import code_digest
from mfer_core.models.finetuned import MODALITIES
from mfer_core.models.fusion import Fused
from mfer_core.models.store import CONFIG, load_trained
from mfer_core.training.clips import Clips, in_order
from mfer_core.training.finetune import Sources, fit_with_encoders, open_modality
from mfer_core.training.fit import PREDICT_BATCH, fit, trainable
from mfer_core.training.fold import CLASSES, Fitted, Job, fold_run, load_parts, new_job, train_fold
from mfer_core.training.inputs import normalised
from mfer_core.training.loop import Progress, Run
from mfer_core.training.results import fold_folder

STAGE = "train_fused"


def hidden_states(fused: Fused, clips: Clips) -> Clips:
    """The clips with each modality's embeddings, in every view, replaced by the arm's last hidden state, as one step [1, H]."""
    fused.eval()
    states = _states(fused, clips)
    views: dict[str, list] = {}
    for name, several in clips.views.items():
        views[name] = [
            _states(fused, replace(clips, modalities={**clips.modalities, name: values}))[name]
            for values in several
        ]
    sizes = {"visual": fused.visual.config.state_size, "audio": fused.audio.config.state_size}
    return Clips(clips.clip_ids, clips.speakers, clips.labels, states, sizes, views)


def _states(fused: Fused, clips: Clips) -> dict[str, list]:
    states: dict[str, list] = {name: [None] * len(clips) for name in MODALITIES}
    with torch.no_grad():
        for indices, (inputs, _) in in_order(clips, PREDICT_BATCH):
            for name, arm, values, lengths in zip(
                MODALITIES, (fused.visual, fused.audio), inputs[::2], inputs[1::2], strict=True
            ):
                for i, state, length in zip(indices, arm.encode(values, lengths), lengths, strict=True):
                    states[name][i] = state[None].clone() if length else None
    return states


def train_parts(
    fused: Fused,
    clips: dict[str, Clips],
    hyper: TrainFused,
    run: Run,
    sources: Sources,
    rates: Sequence[float] = (),
) -> Progress:
    """Fit the whole network, encoders that learn included, or only the classifier, for which the arms' hidden states are computed once."""
    if hyper.trainable == "all":
        return fit_with_encoders(
            fused, trainable(fused, hyper.learning_rate), clips, len(CLASSES), hyper, run, sources, rates
        )
    train, valid = hidden_states(fused, clips["train"]), hidden_states(fused, clips["valid"])
    return fit(
        fused.head, trainable(fused.head, hyper.learning_rate), train, valid, len(CLASSES), hyper, run, rates
    )


def train_fused_fold(protocol: str, fold: int, data: Path, settings: Settings) -> Path:
    """Train the fused model on one fold; returns its folder, at once when it is done already."""
    hyper, code = settings.train_fused, code_digest(__name__)
    folders = {name: fold_folder(data, f"train_{name}", protocol, fold) for name in MODALITIES}
    parents = [read_json(folder / CONFIG)["key"] for folder in folders.values()]
    job = new_job("fused", MODALITIES, protocol, fold, data, settings)
    run = fold_run(STAGE, job, settings.seed, hyper.model_dump(), parents, code)

    def fit_once(job: Job, run: Run, rates: Sequence[float]) -> Fitted:
        # What is chosen on the validation part starts from arms that have not seen it.
        trained = {name: load_trained(folder, chooser=not rates) for name, folder in folders.items()}
        device = str(run.device(hyper.device))
        opened = {
            name: open_modality(
                job.data, name, [job.benchmark], device, hyper.finetune_of(name), blocks.get(name, {})
            )
            for name, (_, _, blocks) in trained.items()
        }
        how = {name: arm.config.normalisation for name, (arm, _, _) in trained.items()}
        clips = load_parts(
            job,
            {name: normalised(modality, how[name], job.manifest) for name, (modality, _) in opened.items()},
        )
        fused, sources = (
            Fused(*(arm for arm, _, _ in trained.values())),
            [source for _, source in opened.values()],
        )
        progress = train_parts(fused, clips, hyper, run, sources, rates)
        encoders = {
            name: source.metadata if source else modality.metadata
            for name, (modality, source) in opened.items()
        }
        return Fitted(fused, clips, sources, encoders, progress)

    return train_fold(job, run, code, fit_once)
