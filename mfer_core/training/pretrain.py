"""Stage 2a: the audio arm on four corpora and the four emotions that they share."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import torch
from sklearn.model_selection import StratifiedGroupKFold

from mfer_core.cache.code import code_digest
from mfer_core.evaluation.metrics import SCORES, confusion, recalls, scores
from mfer_core.files import atomic_path, digest, write_json, write_table
from mfer_core.labels import label_set
from mfer_core.models.store import CONFIG, describe_model, save_weights
from mfer_core.settings import Settings
from mfer_core.training.arm import new_arm
from mfer_core.training.clips import Clips
from mfer_core.training.inputs import PARTS, Modality, inputs_digest, load_modality, make_clips, manifest_of, step_statistics
from mfer_core.training.loop import Run, fit, forget_checkpoint, one_thread, seed_of
from mfer_core.training.optimiser import trainable
from mfer_core.training.results import begin, is_done, probability_table, write_history

STAGE = "pretrain_audio"
CLASSES = label_set("four")
SPLITS = 5  # a fifth of each corpus's speakers for the test, a fifth for the checkpoint
FILES = ("model.safetensors", "history.csv", "predictions.parquet", "metrics.json", "table.md")


def present_corpora(settings: Settings) -> list[str]:
    """The pretraining corpora that are not left out on purpose."""
    return [name for name in settings.roles.pretraining if settings.corpora[name].source != "absent"]


def speaker_parts(manifest: pd.DataFrame, seed: int) -> dict[str, list[str]]:
    """clip_ids per part, speaker-disjoint within each corpus and balanced by emotion as far as its speakers allow.

    A corpus of fewer than three speakers goes to training as a whole.
    """
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for _, rows in manifest.sort_index().groupby("corpus"):
        splits = min(SPLITS, rows.speaker.nunique())
        if splits < 3:
            parts["train"] += list(rows.clip_id)
            continue
        splitter = StratifiedGroupKFold(splits, shuffle=True, random_state=seed)
        held = [rows.clip_id.iloc[test].tolist() for _, test in splitter.split(rows, rows.label, rows.speaker)]
        for part, clips in zip(("test", "valid", *["train"] * (splits - 2)), held, strict=True):
            parts[part] += clips
    return {part: sorted(clips) for part, clips in parts.items()}


def corpus_table(predictions: pd.DataFrame) -> dict[str, dict]:
    """corpus -> accuracy, uar, macro_f1, clips, and recall per class (None where a class does not occur)."""
    result = {}
    for name, rows in [("all", predictions), *predictions.groupby("corpus")]:
        labels = pd.Categorical(rows.label, categories=CLASSES).codes.astype(int)
        matrix = confusion(labels, rows[list(CLASSES)].to_numpy().argmax(1), len(CLASSES))
        recall = {label: None if value != value else float(value) for label, value in zip(CLASSES, recalls(matrix), strict=True)}
        result[str(name)] = {"clips": len(rows), "recall": recall} | {key: float(value) for key, value in scores(matrix).items()}
    return result


def markdown_table(metrics: dict[str, dict]) -> str:
    """Per corpus: clips, scores and recall per class, in per cent."""
    lines = ["| corpus | clips | " + " | ".join((*SCORES, *CLASSES)) + " |", "|---" * (2 + len(SCORES) + len(CLASSES)) + "|"]
    for corpus, row in metrics.items():
        values = [row[name] for name in SCORES] + [row["recall"][name] for name in CLASSES]
        lines.append(
            f"| {corpus} | {row['clips']} | " + " | ".join("-" if value is None else f"{100 * value:.1f}" for value in values) + " |"
        )
    return "Test part, speakers unseen; accuracy, UAR, macro F1 and recall per class in %.\n\n" + "\n".join(lines) + "\n"


def train_four(run: Run, modality: Modality, clips: dict[str, Clips], settings: Settings):
    """Fit a fresh 4-class arm; returns it and its progress."""
    hyper = settings.pretrain_audio
    torch.manual_seed(run.seed)
    arm = new_arm("audio", modality.dim, hyper, CLASSES)
    arm.standardise(*step_statistics(clips["train"], "audio"))
    return arm, fit(arm, trainable(arm, hyper.learning_rate), clips["train"], clips["valid"], len(CLASSES), hyper, run)


def four_class_manifest(data: Path, corpora: list[str]) -> pd.DataFrame:
    manifest = manifest_of(data, corpora)
    return manifest[manifest.label.isin(CLASSES)]


def pretrain_audio(data: Path, settings: Settings) -> Path:
    """Train stage 2a; returns its folder, at once when it is done already.

    Where every pretraining corpus or the audio arm is left out, config.json says so and there is no model.
    """
    data, corpora = Path(data), present_corpora(settings)
    folder = data / STAGE
    if not corpora or "audio" not in settings.arms:
        return _skip(folder, "the audio arm is left out" if corpora else "every pretraining corpus has source absent")
    manifest = four_class_manifest(data, corpora)
    parts, code = speaker_parts(manifest, settings.seed), code_digest(__name__)
    inputs = inputs_digest(data, ["audio"], corpora, parts, manifest)
    run = Run(
        folder, digest(STAGE, settings.seed, settings.pretrain_audio.model_dump(), inputs, code), seed_of(settings.seed, STAGE), STAGE
    )
    if is_done(folder, run.key):
        return folder
    begin(folder)
    with one_thread():
        modality = load_modality(data, "audio", corpora)
        clips = {part: make_clips(parts[part], manifest, CLASSES, {"audio": modality}) for part in PARTS}
        arm, progress = train_four(run, modality, clips, settings)
        predictions = probability_table(arm, clips["test"], CLASSES)
    predictions.insert(1, "corpus", manifest.corpus.loc[predictions.clip_id].to_numpy())
    facts = {
        "encoders": {"audio": modality.metadata},
        "training_speakers": sorted({*clips["train"].speakers}),
        "code": code,
        "corpora": corpora,
    }
    _write(run, arm, progress.history, predictions, facts)
    return folder


def _write(run: Run, arm, history: list[dict], predictions: pd.DataFrame, facts: dict) -> None:
    metrics = corpus_table(predictions)
    save_weights(run.folder, arm)
    write_history(run.folder, history)
    write_table(run.folder / "predictions.parquet", pa.Table.from_pandas(predictions, preserve_index=False))
    write_json(run.folder / "metrics.json", metrics)
    with atomic_path(run.folder / "table.md") as temporary:
        temporary.write_text(markdown_table(metrics), encoding="utf-8")
    write_json(run.folder / CONFIG, {"key": run.key, "model": describe_model(arm), "labels": list(CLASSES), **facts})
    forget_checkpoint(run.folder)


def _skip(folder: Path, reason: str) -> Path:
    begin(folder)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    write_json(folder / "metrics.json", {})
    write_json(folder / CONFIG, {"key": digest(STAGE, "skipped"), "skipped": reason})
    return folder
