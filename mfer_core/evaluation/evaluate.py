"""Stage evaluate: the predictions of all folds and arms become metrics, tables and plots."""

import shutil
from pathlib import Path

import pandas as pd

from mfer_core.base.files import read_json, read_table, write_json, write_table
from mfer_core.base.labels import label_set
from mfer_core.base.manifest import read_manifest
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.cache.embeddings import open_embeddings
from mfer_core.cache.heads import read_head
from mfer_core.evaluation import results
from mfer_core.evaluation.baseline import baseline_features, baseline_predictions, by_speaker
from mfer_core.evaluation.material import corpora_table, training_table
from mfer_core.evaluation.pairs import compare
from mfer_core.evaluation.plots import plot_confusions, plot_curves, plot_reliability
from mfer_core.evaluation.pretraining import (
    PRETRAINING_NOTE,
    matrix_table,
    pretraining_baseline,
    pretraining_table,
)
from mfer_core.evaluation.summary import class_recalls, headline, summarise
from mfer_core.evaluation.tables import write_report_table
from mfer_core.evaluation.zero_shot import zero_shot_note, zero_shot_predictions
from mfer_core.evaluation.zero_shot_frames import FRAMES_FILE, FRAMES_NOTE, frames_table, write_frames
from mfer_core.protocol.predictions import predictions_schema

CLASSES = label_set("eight")
ARM_STAGES = {"visual": "train_visual", "audio": "train_audio", "fused": "train_fused"}
LEAKY_NOTE = (
    "A protocol marked leaky has the same people in training and test and must not be quoted as a result."
)


def all_predictions(
    data: Path, settings: Settings, manifest: pd.DataFrame, folds: pd.DataFrame
) -> pd.DataFrame:
    """Predictions of the arms present, of the baseline and of the encoders' own heads, one table in a fixed order."""
    tables = [
        read_table(data / stage / "predictions.parquet")
        for arm, stage in ARM_STAGES.items()
        if arm in settings.arms
    ]
    if settings.evaluate.baseline:
        values = baseline_features(DataPaths(data).extract(settings.roles.benchmark), set(manifest.clip_id))
        tables.append(baseline_predictions(values, manifest, folds, CLASSES))
        if normalised_arms(settings):
            tables.append(
                baseline_predictions(
                    by_speaker(values, manifest), manifest, folds, CLASSES, "baseline_speaker"
                )
            )
    tables.append(zero_shot_predictions(data / "embed", settings.roles.benchmark, manifest, folds, CLASSES))
    table = pd.concat([table for table in tables if len(table)], ignore_index=True)
    return table[predictions_schema(CLASSES).names]


def normalised_arms(settings: Settings) -> list[str]:
    """The arms whose steps are standardised by speaker."""
    shapes = {"visual": settings.train_visual, "audio": settings.pretrain_audio}
    return [arm for arm in settings.arms if arm in shapes and shapes[arm].normalisation == "speaker"]


def _results_note(data: Path, settings: Settings) -> str:
    """What must be known beside the main table."""
    notes = [LEAKY_NOTE, zero_shot_note(data / "embed", settings.roles.benchmark, CLASSES)]
    if arms := normalised_arms(settings):
        notes.append(
            f"Standardised by speaker, which needs the speaker's other recordings but no label: {', '.join(arms)}, baseline_speaker."
        )
    return " ".join(filter(None, notes))


def _by_arm(predictions: pd.DataFrame, protocol: str) -> dict[str, pd.DataFrame]:
    rows = predictions[predictions.protocol == protocol]
    return {
        arm: rows[rows.arm == arm].reset_index(drop=True)
        for arm in (*results.ARMS, *results.MORE)
        if (rows.arm == arm).any()
    }


def compute_metrics(predictions: pd.DataFrame, speaker_of: dict[str, str], settings: Settings) -> dict:
    """metrics.json: protocol -> arm -> metric -> statistics. An arm without predictions is not in it."""
    options = settings.evaluate
    return {
        protocol: {
            arm: summarise(table, table.clip_id.map(speaker_of), CLASSES, options.bootstrap, settings.seed)
            for arm, table in _by_arm(predictions, protocol).items()
        }
        for protocol in predictions.protocol.unique()
    }


def _paired_tests(predictions: pd.DataFrame, speaker_of: dict[str, str], settings: Settings) -> dict:
    tests = {}
    for protocol in predictions.protocol.unique():
        arms = _by_arm(predictions, protocol)
        for first, second in results.pairs_of(arms):
            options = settings.evaluate
            tests[protocol, first, second] = compare(
                arms[first], arms[second], speaker_of.get, CLASSES, options.permutations, settings.seed
            )
    return tests


def encoder_names(data: Path, settings: Settings) -> dict[str, str]:
    """arm -> the encoders behind it, as the folds' models name them."""
    found = {"baseline": "none", "baseline_speaker": "none"}
    for arm in settings.arms:
        names: set[str] = set()
        for path in sorted((data / ARM_STAGES[arm]).glob("*/fold-*/config.json")):
            for encoder in read_json(path)["encoders"].values():
                names.add(
                    str(encoder.get("name")) + (", fine-tuned in each fold" if "finetuned" in encoder else "")
                )
        found[arm] = ", ".join(sorted(names))
    for modality in ("visual", "audio"):
        folder = DataPaths(data).embeddings(modality, settings.roles.benchmark)
        if read_head(folder):
            found[f"zero_shot_{modality}"] = str(open_embeddings(folder).metadata["name"])
    return found


def _histories(data: Path, protocol: str, settings: Settings) -> dict[str, pd.DataFrame]:
    """arm -> the history of all its folds."""
    found = {}
    for arm in settings.arms:
        files = sorted((data / ARM_STAGES[arm] / protocol.replace(":", "-")).glob("fold-*/history.csv"))
        found[arm] = pd.concat(
            [pd.read_csv(path).assign(fold=int(path.parent.name.removeprefix("fold-"))) for path in files]
        )
    return found


def _write_tables(
    out: Path,
    data: Path,
    settings: Settings,
    metrics: dict,
    predictions: pd.DataFrame,
    speaker_of: dict[str, str],
) -> None:
    synthetic = settings.synthetic
    encoders = encoder_names(data, settings)
    recalls = {
        (name, arm): class_recalls(table, CLASSES)
        for name in metrics
        for arm, table in _by_arm(predictions, name).items()
    }
    manifests = {
        name: read_manifest(path)
        for name in sorted(settings.corpora)
        if (path := DataPaths(data).manifest(name)).exists()
    }
    pretraining, matrix = (
        read_json(data / "pretrain_audio" / name) for name in ("metrics.json", "cross_corpus.json")
    )
    tables = {
        "corpora": ("Corpora: clips per emotion", corpora_table(manifests), ""),
        "training": ("Hyperparameters of the training stages", training_table(settings), ""),
        "pretraining": (
            "Stage 2a, four classes, per corpus and class",
            pretraining_table(pretraining, pretraining_baseline(data, settings)),
            PRETRAINING_NOTE,
        ),
        "cross_corpus": (
            "Stage 2a trained on all corpora but one (UAR, %)",
            matrix_table(matrix),
            "Diagonal: nothing of the corpus was trained on.",
        ),
        "results": (
            "Results by protocol and arm",
            results.results_table(metrics, encoders),
            _results_note(data, settings),
        ),
        "published": (
            "Beside published results (accuracy, %)",
            results.comparison_table(metrics, encoders),
            LEAKY_NOTE,
        ),
        "leakage": (
            "The leakage gap",
            results.leakage_table(metrics),
            "The same models, trained and scored under both kinds of folds.",
        ),
        "recalls": ("Recall per class, %", results.recall_table(recalls), ""),
        "pairs": (
            "Paired tests between arms",
            results.pairs_table(_paired_tests(predictions, speaker_of, settings)),
            "Two-sided; not corrected for the number of tests.",
        ),
    }
    frames = frames_table(out / FRAMES_FILE, manifests[settings.roles.benchmark], CLASSES)
    if len(frames):
        tables["zero_shot_frames"] = (
            "The face encoder's own classifier, by frame and by clip",
            frames,
            FRAMES_NOTE,
        )
    for name, (title, frame, notes) in tables.items():
        write_report_table(out / "tables", name, title, frame, notes, synthetic)


def _write_plots(out: Path, data: Path, settings: Settings, predictions: pd.DataFrame) -> None:
    note = ", synthetic data" if settings.synthetic else ""
    for protocol in predictions.protocol.unique():
        arms, name = _by_arm(predictions, protocol), protocol.replace(":", "-")
        plot_confusions(out / "plots", name, arms, CLASSES, note)
        plot_reliability(out / "plots", name, arms, CLASSES, note)
        plot_curves(out / "plots", name, _histories(data, protocol, settings), note)


def evaluate(data: Path, settings: Settings) -> dict:
    """Write ``data/evaluate`` and return its metrics.json. Raises MferError when a stage before it has not run."""
    data = Path(data)
    out = data / "evaluate"
    manifest = read_manifest(data / "ingest" / settings.roles.benchmark / "manifest.parquet")
    predictions = all_predictions(data, settings, manifest, read_table(data / "folds" / "folds.parquet"))
    speaker_of = dict(zip(manifest.clip_id, manifest.speaker, strict=True))
    write_table(out / "predictions.parquet", predictions, predictions_schema(CLASSES))
    write_frames(data / "embed" / "visual" / settings.roles.benchmark, out / FRAMES_FILE)
    for name in ("tables", "plots"):
        if (out / name).exists():
            shutil.rmtree(out / name)  # some are of a protocol or an encoder that is no longer there
    predictions = predictions.fillna(
        dict.fromkeys(CLASSES, 0.0)
    )  # a class that a head lacks is never predicted
    metrics = compute_metrics(predictions, speaker_of, settings)
    _write_tables(out, data, settings, metrics, predictions, speaker_of)
    _write_plots(out, data, settings, predictions)
    write_json(out / "summary.json", headline(metrics))
    write_json(out / "metrics.json", metrics)
    return metrics
