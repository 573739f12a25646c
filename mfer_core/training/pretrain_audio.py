"""Stage 2a: the audio arm on four corpora and the four emotions that they share."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import pandas as pd
import pyarrow as pa
import torch

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest, write_json, write_table
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.cache.code import code_digest
from mfer_core.dataset.clip_encoder import ClipEncoder, blocks_of, embedded, embedded_by, open_modality
from mfer_core.dataset.clips import Clips
from mfer_core.dataset.fold import Fold
from mfer_core.dataset.modality import normalised
from mfer_core.dataset.steps import moments
from mfer_core.encoders.checkpoint_pointer import source_of
from mfer_core.encoders.contract import SpeechEncoder
from mfer_core.encoders.device import one_thread
from mfer_core.encoders.waveform_augmentation import SPEED_CHANCE
from mfer_core.models.arm import Arm
from mfer_core.models.finetuned import TRAINABLE_MODULES
from mfer_core.models.store import CONFIG, begin, describe_model, is_done, save_weights
from mfer_core.protocol.corpus_scores import CLASSES, corpus_of, corpus_scores
from mfer_core.protocol.protocols import PARTS
from mfer_core.protocol.speakers import present_corpora, shuffled_parts
from mfer_core.training.fit import fit_with_encoders, trainable
from mfer_core.training.loop import Progress, Run, forget_checkpoints, seed_of
from mfer_core.training.results import probability_table, write_history
from mfer_core.training.stages import new_arm

STAGE = "pretrain_audio"
METRICS = "metrics.json"  # corpus -> scores on its test part
MATRIX = "cross_corpus.json"  # corpus left out of training -> corpus -> UAR
LEAKY = "leaky_predictions.parquet"  # of the models that are tested on shuffled clips
LEFT_OUT = "left_out_encoders"  # in the configuration: corpus -> hash of the encoder that learned without it
FILES = ("model.safetensors", "history.csv", "predictions.parquet", LEAKY, METRICS, MATRIX)


@dataclass(frozen=True)
class Fitted:
    """The arm after training, and its encoder where that was trained with it."""

    arm: Arm
    progress: Progress
    encoders: dict[str, ClipEncoder]

    def predictions(self, clips: Clips) -> pd.DataFrame:
        """A row per clip, with its corpus."""
        table = probability_table(self.arm, embedded(clips, self.encoders.values()), CLASSES)
        table.insert(1, "corpus", table.clip_id.map(corpus_of))
        return table


def pretrain_audio(data: Path, settings: Settings) -> Path:
    """Train stage 2a; returns its folder, at once when it is done already.

    Where every pretraining corpus or the audio arm is left out, config.json says so and there is no model.
    """
    folder, corpora = DataPaths(Path(data)).stage(STAGE), present_corpora(settings)
    if "audio" not in settings.arms:
        return _skip(folder, "the audio arm is left out")
    if not corpora:
        return _skip(folder, "every pretraining corpus has source absent")
    fold, section = Fold.of_pretraining(data, corpora, settings.seed), settings.pretrain_audio
    others = _encoders_without(fold) if settings.pretrain_emotion2vec.leave_one_out else {}
    runs_encoder = section.finetune.blocks or section.views == "each_epoch" or others
    inputs, encoder = fold.digest(["audio"]), [TRAINABLE_MODULES["audio"]] if runs_encoder else []
    code = [code_digest(module) for module in (__name__, *encoder)]
    left_out = {name: encoder.metadata["hash"] for name, encoder in others.items()}
    shaped_by = [section.model_dump(), inputs, code, *([left_out] if left_out else [])]
    key = digest(STAGE, settings.seed, *shaped_by)
    run = Run(folder, key, seed_of(settings.seed, STAGE), STAGE)
    if is_done(folder, key):
        _forget_checkpoints(folder)  # A run that was killed after its mark left them.
        return folder
    begin(folder)
    with one_thread():
        modality = fold.modality("audio")
        clips = fold.clips({"audio": normalised(modality, section.normalisation, fold.manifest)})
        fitted = train_four(run, fold, clips, settings, section.epochs)
        predictions = fitted.predictions(clips["test"])
        matrix = cross_corpus(run, fold, clips, settings, others)
        leaky = shuffled_predictions(run, fold, settings)
    write_history(folder, fitted.progress.history)
    write_table(folder / "predictions.parquet", pa.Table.from_pandas(predictions, preserve_index=False))
    write_table(folder / LEAKY, pa.Table.from_pandas(leaky, preserve_index=False))
    write_json(folder / METRICS, corpus_scores(predictions))
    write_json(folder / MATRIX, matrix)
    save_weights(folder, fitted.arm, blocks_of(fitted.encoders))
    facts = {
        "key": key,
        "model": describe_model(fitted.arm),
        "labels": list(CLASSES),
        "encoders": {"audio": fitted.encoders.get("audio", modality).metadata},
        "training_speakers": sorted({*clips["train"].speakers}),
        "code": code[0],
        "data": inputs,
        "corpora": corpora,
        LEFT_OUT: left_out,
    }
    write_json(folder / CONFIG, facts)
    _forget_checkpoints(folder)
    return folder


def _forget_checkpoints(folder: Path) -> None:
    for name in ("cross_corpus", "leaky"):
        shutil.rmtree(folder / name, ignore_errors=True)  # Nothing but checkpoints is in these.
    forget_checkpoints(folder)


def train_four(run: Run, fold: Fold, clips: dict[str, Clips], settings: Settings, epochs: int) -> Fitted:
    """Fit a fresh 4-class arm on ``clips`` by part. Raises MferError where a part that training needs is
    empty.
    """
    section = settings.pretrain_audio.model_copy(update={"epochs": epochs})
    for part in ("train", "valid"):
        if not len(clips[part]):
            raise MferError(
                f"{run.name}: no {part} clips; stage 2a needs a corpus of at least three speakers"
            )
    torch.manual_seed(run.seed)
    arm = new_arm("audio", fold.modality("audio"), section, CLASSES)
    arm.standardise(*moments(clips["train"].modalities["audio"]))
    device, draws = str(run.device(section.device)), section.views == "each_epoch"
    _, encoder = open_modality(fold, "audio", device, section.finetune, {}, draws, SPEED_CHANCE)
    encoders = {"audio": encoder} if encoder else {}
    groups = trainable(arm, section.learning_rate)
    progress = fit_with_encoders(arm, groups, clips, len(CLASSES), section, run, encoders)
    return Fitted(arm, progress, encoders)


def _encoders_without(fold: Fold) -> dict[str, SpeechEncoder]:
    """corpus -> the encoder that learned from all pretraining corpora but this one."""
    folder, load = fold.paths.encoders_without, import_module(TRAINABLE_MODULES["audio"]).load
    corpora = sorted({*fold.manifest.corpus})
    corpora = corpora if len(corpora) > 1 else []
    return {corpus: load(source_of(folder / corpus), "cpu", "fp32") for corpus in corpora}


def cross_corpus(
    run: Run,
    fold: Fold,
    clips: dict[str, Clips],
    settings: Settings,
    encoders: Mapping[str, SpeechEncoder],
) -> dict[str, dict[str, float]]:
    """UAR by corpus left out of training and corpus tested: all clips of the one left out, else the test
    part.

    All clips of a row are embedded by the encoder without its corpus where ``encoders`` holds it, else as
    they are in ``clips``. Nothing where the settings ask for no epochs, or there is one corpus.
    """
    result: dict[str, dict[str, float]] = {}
    epochs = settings.pretrain_audio.cross_corpus_epochs
    for left_out in fold.corpora if epochs and len(fold.corpora) > 1 else []:
        folder = run.folder / "cross_corpus" / left_out
        folder.mkdir(parents=True, exist_ok=True)
        key, seed = digest(run.key, left_out), seed_of(run.seed, left_out)
        if left_out in encoders:
            modality = embedded_by(encoders[left_out], fold, "audio")
            normalisation = settings.pretrain_audio.normalisation
            clips = fold.clips({"audio": normalised(modality, normalisation, fold.manifest)})
        others = {part: _without(clips[part], left_out) for part in PARTS}
        fitted = train_four(
            Run(folder, key, seed, f"{STAGE} without {left_out}"), fold, others, settings, epochs
        )
        tables = [fitted.predictions(clips[part]) for part in PARTS]
        unseen = pd.concat([table[table.corpus == left_out] for table in tables])
        tested = pd.concat([tables[-1][tables[-1].corpus != left_out], unseen], ignore_index=True)
        by_corpus = corpus_scores(tested)
        result[left_out] = {corpus: by_corpus[corpus]["uar"] for corpus in fold.corpora}
    return result


def shuffled_predictions(run: Run, fold: Fold, settings: Settings) -> pd.DataFrame:
    """Predictions, with their fold, of models that are trained and tested as in the reference's report (see
    ``shuffled_parts``); without rows where the settings ask for no such folds.
    """
    section = settings.pretrain_audio
    tables = [pd.DataFrame(columns=["clip_id", "corpus", "label", *CLASSES, "fold"])]
    inputs = {"audio": normalised(fold.modality("audio"), section.normalisation, fold.manifest)}
    folds = shuffled_parts(fold.manifest, section.leaky_folds) if section.leaky_folds else []
    for number, parts in enumerate(folds):
        folder = run.folder / "leaky" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        key, seed = digest(run.key, "leaky", number), seed_of(run.seed, "leaky", number)
        shuffled = replace(fold, parts=parts)
        clips = shuffled.clips(inputs)
        shuffled_run = Run(folder, key, seed, f"{STAGE} on shuffled clips, fold {number}")
        fitted = train_four(shuffled_run, shuffled, clips, settings, section.epochs)
        tables.append(fitted.predictions(clips["test"]).assign(fold=number))
    return pd.concat(tables[1:] or tables, ignore_index=True)


def _without(clips: Clips, corpus: str) -> Clips:
    return clips.select([i for i, clip in enumerate(clips.clip_ids) if corpus_of(clip) != corpus])


def _skip(folder: Path, reason: str) -> Path:
    begin(folder)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    for name in (METRICS, MATRIX):
        write_json(folder / name, {})
    write_json(folder / CONFIG, {"key": digest(STAGE, "skipped"), "skipped": reason})
    return folder
