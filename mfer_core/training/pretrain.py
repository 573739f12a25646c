"""Stage 2a: the audio arm on four corpora and the four emotions that they share."""

import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import torch

from mfer_core.base.errors import MferError
from mfer_core.base.files import atomic_path, digest, write_json, write_table
from mfer_core.base.settings import Settings
from mfer_core.cache.code import code_digest
from mfer_core.encoders.device import one_thread
from mfer_core.models.arm import Arm
from mfer_core.models.store import CONFIG, describe_model, save_weights
from mfer_core.protocol.protocols import PARTS
from mfer_core.protocol.speakers import four_classes, speaker_parts
from mfer_core.training.arm import new_arm
from mfer_core.training.clips import Clips
from mfer_core.training.finetune import Source, blocks_of, embedded, fit_with_encoders, open_modality
from mfer_core.training.fit import trainable
from mfer_core.training.inputs import (
    inputs_digest,
    load_modality,
    make_clips,
    manifest_of,
    normalised,
    step_statistics,
)
from mfer_core.training.loop import Progress, Run, forget_checkpoints, seed_of
from mfer_core.training.pretrain_report import (
    CLASSES,
    corpus_of,
    corpus_table,
    markdown_table,
    matrix_markdown,
)
from mfer_core.training.results import begin, is_done, probability_table, write_history

STAGE = "pretrain_audio"
FILES = (
    "model.safetensors",
    "history.csv",
    "predictions.parquet",
    "metrics.json",
    "table.md",
    "cross_corpus.json",
    "cross_corpus.md",
)


def present_corpora(settings: Settings) -> list[str]:
    """The pretraining corpora that are not left out on purpose."""
    return [name for name in settings.roles.pretraining if settings.corpora[name].source != "absent"]


def train_four(
    run: Run, data: Path, corpora: list[str], clips: dict[str, Clips], settings: Settings
) -> tuple[Arm, Progress, Source | None]:
    """Fit a fresh 4-class arm; returns it, its progress, and its encoder where that learned too."""
    hyper = settings.pretrain_audio
    for part in ("train", "valid"):
        if not len(clips[part]):
            raise MferError(
                f"{run.name}: no {part} clips; stage 2a needs a corpus of at least three speakers"
            )
    torch.manual_seed(run.seed)
    arm = new_arm("audio", clips["train"].dims["audio"], hyper, CLASSES)
    arm.standardise(*step_statistics(clips["train"], "audio"))
    _, source = (
        open_modality(data, "audio", corpora, str(run.device(hyper.device)), hyper.finetune, {})
        if hyper.finetune.blocks
        else (None, None)
    )
    progress = fit_with_encoders(
        arm, trainable(arm, hyper.learning_rate), clips, len(CLASSES), hyper, run, [source]
    )
    return arm, progress, source


def cross_corpus(
    run: Run, data: Path, clips: dict[str, Clips], corpora: list[str], settings: Settings
) -> dict[str, dict[str, float]]:
    """UAR by corpus left out of training and corpus tested: all clips of the one left out, else the test part."""
    result: dict[str, dict[str, float]] = {}
    hyper = settings.pretrain_audio.model_copy(update={"epochs": settings.pretrain_audio.cross_corpus_epochs})
    smaller = settings.model_copy(update={"pretrain_audio": hyper})
    for left_out in corpora if hyper.epochs and len(corpora) > 1 else []:
        own = Run(
            run.folder / "cross_corpus" / left_out,
            digest(run.key, left_out),
            seed_of(run.seed, left_out),
            f"{STAGE} without {left_out}",
        )
        own.folder.mkdir(parents=True, exist_ok=True)
        seen = {
            part: clips[part].select(
                [i for i, clip in enumerate(clips[part].clip_ids) if corpus_of(clip) != left_out]
            )
            for part in PARTS
        }
        arm, _, source = train_four(own, data, corpora, seen, smaller)
        tables = [probability_table(arm, embedded(clips[part], [source]), CLASSES) for part in PARTS]
        unseen = pd.concat([table[table.clip_id.map(corpus_of) == left_out] for table in tables])
        tested = pd.concat(
            [tables[-1][tables[-1].clip_id.map(corpus_of) != left_out], unseen], ignore_index=True
        )
        found = corpus_table(tested.assign(corpus=tested.clip_id.map(corpus_of)))
        result[left_out] = {corpus: found[corpus]["uar"] for corpus in corpora}
    return result


def pretrain_audio(data: Path, settings: Settings) -> Path:
    """Train stage 2a; returns its folder, at once when it is done already.

    Where every pretraining corpus or the audio arm is left out, config.json says so and there is no model.
    """
    data, corpora = Path(data), present_corpora(settings)
    folder = data / STAGE
    if not corpora or "audio" not in settings.arms:
        return _skip(
            folder, "the audio arm is left out" if corpora else "every pretraining corpus has source absent"
        )
    manifest = four_classes(manifest_of(data, corpora))
    parts, code = speaker_parts(manifest, settings.seed), code_digest(__name__)
    inputs = inputs_digest(data, ["audio"], corpora, parts, manifest)
    run = Run(
        folder,
        digest(STAGE, settings.seed, settings.pretrain_audio.model_dump(), inputs, code),
        seed_of(settings.seed, STAGE),
        STAGE,
    )
    if is_done(folder, run.key):
        return folder
    begin(folder)
    with one_thread():
        modality = load_modality(data, "audio", corpora, views=True)
        steps = normalised(modality, settings.pretrain_audio.normalisation, manifest)
        clips = {part: make_clips(parts[part], manifest, CLASSES, {"audio": steps}) for part in PARTS}
        arm, progress, source = train_four(run, data, corpora, clips, settings)
        predictions = probability_table(arm, embedded(clips["test"], [source]), CLASSES)
        matrix = cross_corpus(run, data, clips, corpora, settings)
    predictions.insert(1, "corpus", manifest.corpus.loc[predictions.clip_id].to_numpy())
    facts = {
        "encoders": {"audio": source.metadata if source else modality.metadata},
        "training_speakers": sorted({*clips["train"].speakers}),
        "code": code,
        "data": inputs,
        "corpora": corpora,
    }
    save_weights(run.folder, arm, blocks_of([source]))
    _write(run, arm, progress.history, predictions, matrix, facts)
    return folder


def _write(
    run: Run, arm: Arm, history: list[dict], predictions: pd.DataFrame, matrix: dict, facts: dict
) -> None:
    metrics = corpus_table(predictions)
    write_history(run.folder, history)
    write_table(run.folder / "predictions.parquet", pa.Table.from_pandas(predictions, preserve_index=False))
    write_json(run.folder / "metrics.json", metrics)
    write_json(run.folder / "cross_corpus.json", matrix)
    for name, text in (
        ("table.md", markdown_table(metrics)),
        ("cross_corpus.md", matrix_markdown(matrix) if matrix else "Left out by the settings.\n"),
    ):
        with atomic_path(run.folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    write_json(
        run.folder / CONFIG, {"key": run.key, "model": describe_model(arm), "labels": list(CLASSES), **facts}
    )
    shutil.rmtree(run.folder / "cross_corpus", ignore_errors=True)  # nothing but the matrix's checkpoints
    forget_checkpoints(run.folder)


def _skip(folder: Path, reason: str) -> Path:
    begin(folder)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    for name in ("metrics.json", "cross_corpus.json"):
        write_json(folder / name, {})
    write_json(folder / CONFIG, {"key": digest(STAGE, "skipped"), "skipped": reason})
    return folder
