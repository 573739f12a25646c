"""Stage evaluate: the predictions of all folds and arms become metrics, tables and plots."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from mfer_core.base.files import read_table, write_json, write_table
from mfer_core.base.labels import LabelSet
from mfer_core.base.manifest import read_manifest
from mfer_core.base.modalities import ARMS
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.encoders.device import one_thread
from mfer_core.evaluation import results
from mfer_core.evaluation.arms import ORDER, SVM, normalised_arms
from mfer_core.evaluation.benchmark import SYNTHETIC, Benchmark, open_benchmark
from mfer_core.evaluation.crowd import crowd_table
from mfer_core.evaluation.groups import group_figures, groups_table, worst_groups
from mfer_core.evaluation.leakage import leakage_table, published_leakage_table
from mfer_core.evaluation.normalisation_curve import normalisation_curve
from mfer_core.evaluation.pairs import pairs_table
from mfer_core.evaluation.plots import plot_confusions, plot_curves, plot_reliability
from mfer_core.evaluation.predictions import (
    all_predictions,
    chosen_epochs,
    encoder_names,
    histories,
    inner_validation,
    svm_features,
)
from mfer_core.evaluation.pretraining import pretraining_tables
from mfer_core.evaluation.published_results import published_table
from mfer_core.evaluation.setup_tables import corpora_table, training_table
from mfer_core.evaluation.summary import ABOUT, LOSSES, class_recalls, summarise
from mfer_core.evaluation.tables import ReportTable, write_report_table
from mfer_core.evaluation.zero_shot import head_gaps, zero_shot_table
from mfer_core.evaluation.zero_shot_frames import FRAMES_FILE, FRAMES_NOTE, frames_table, write_frames
from mfer_core.protocol.predictions import predictions_schema
from mfer_core.protocol.protocols import protocol

PLOTTED = (*ARMS, "probe_both", *SVM)
# Tables whose figures are about the benchmark and carry its caption; the others name their corpora in their
# rows.
OF_BENCHMARK = (
    "results",
    "calibration",
    "published",
    "leakage",
    "recalls",
    "pairs",
    "groups",
    "crowd",
    "normalisation",
)


def by_arm(predictions: pd.DataFrame, name: str) -> dict[str, pd.DataFrame]:
    """The predictions under one protocol by arm, in the order of the tables; the encoders' own heads are not
    among them.
    """
    rows = predictions[predictions.protocol == name]
    return {arm: rows[rows.arm == arm].reset_index(drop=True) for arm in ORDER if (rows.arm == arm).any()}


def compute_metrics(predictions: pd.DataFrame, benchmark: Benchmark, settings: Settings) -> dict:
    """protocol -> arm -> metric -> statistics. An arm without predictions is not in it, nor a metric that
    makes no sense.
    """
    options = settings.evaluate
    metrics: dict = {}
    for name in predictions.protocol.unique():
        for arm, table in by_arm(predictions, name).items():
            speakers = benchmark.speaker_of(table.clip_id)
            statistics = summarise(table, speakers, benchmark.classes, options.bootstrap, settings.seed)
            skipped = (*LOSSES, "ece") if arm in SVM else ()
            metrics.setdefault(name, {})[arm] = {
                metric: stats for metric, stats in statistics.items() if metric not in skipped
            }
    return metrics


def _result_tables(
    data: Path,
    settings: Settings,
    benchmark: Benchmark,
    metrics: dict,
    groups: list[dict],
    predictions: pd.DataFrame,
) -> dict[str, ReportTable]:
    """The tables of figures on the benchmark that follow from its predictions."""
    options = settings.evaluate
    encoders, normalised = encoder_names(data, settings), normalised_arms(settings)
    scored = predictions[predictions.arm.isin(ORDER)]
    recalls = {
        (name, arm): class_recalls(table, benchmark.classes)
        for name in metrics
        for arm, table in by_arm(predictions, name).items()
    }
    weights_of = options.bootstrap, settings.seed
    tested = benchmark.speaker_of(scored.clip_id).groupby(scored.protocol).nunique().to_dict()
    whole = results.results_table(metrics, encoders, benchmark, normalised, tested)
    notes = [whole.notes, *_lowest_groups(groups, metrics), chosen_epochs(data, settings, list(metrics))]
    return {
        "results": replace(whole, notes="\n\n".join(notes)),
        "groups": groups_table(groups, benchmark),
        "calibration": results.calibration_table(metrics, benchmark),
        "published": published_table(metrics, encoders, benchmark),
        "leakage": leakage_table(scored, benchmark, weights_of),
        "leakage_published": published_leakage_table(benchmark.adapter),
        "recalls": results.recall_table(recalls, benchmark),
        "crowd": crowd_table(scored, benchmark, *weights_of),
        "pairs": pairs_table(scored, benchmark, normalised, options.permutations, settings.seed),
    }


def _lowest_groups(groups: list[dict], metrics: dict) -> list[str]:
    """A line per protocol: of its last arm in the order of the method, the groups that it does worst on."""
    lines = []
    for name, arms in metrics.items():
        arm = [arm for arm in ARMS if arm in arms][-1]
        if worst := worst_groups(groups, name, arm):
            lines.append(f"Lowest accuracy by group ({name}, {arm}, %): {worst}.")
    return lines


def _setup_tables(data: Path, out: Path, settings: Settings, benchmark: Benchmark) -> dict[str, ReportTable]:
    """The tables behind the results: corpora, hyperparameters, stage 2a, the face encoder frame by frame."""
    manifests = {
        name: read_manifest(path)
        for name in sorted(settings.corpora)
        if (path := DataPaths(data).manifest(name)).exists()
    }
    tables = {
        "corpora": ReportTable("Corpora: clips per emotion", corpora_table(manifests)),
        "training": ReportTable("Hyperparameters of the training stages", training_table(settings)),
        **pretraining_tables(data, settings),
    }
    manifest = benchmark.labels.classify(manifests[settings.roles.benchmark])
    frames = frames_table(out / FRAMES_FILE, manifest, benchmark.classes)
    if len(frames):
        title = "The face encoder's own classifier, by frame and by clip"
        tables["zero_shot_frames"] = ReportTable(title, frames, FRAMES_NOTE)
    return tables


def _write_plots(
    out: Path, data: Path, settings: Settings, predictions: pd.DataFrame, classes: tuple[str, ...]
) -> None:
    note = f", {SYNTHETIC} data" if settings.synthetic else ""
    for name in predictions.protocol.unique():
        file = name.replace(":", "-")
        arms = {arm: table for arm, table in by_arm(predictions, name).items() if arm in PLOTTED}
        plot_confusions(out / "plots", file, arms, classes, note)
        probable = {arm: table for arm, table in arms.items() if arm not in SVM}
        plot_reliability(out / "plots", file, probable, classes, note)
        plot_curves(out / "plots", file, histories(data, name, settings), note)


def evaluate(data: Path, settings: Settings) -> dict:
    """Write ``data/evaluate`` and return its metrics.json. Raises MferError when a stage before it has not
    run.
    """
    data, paths = Path(data), DataPaths(data)
    out, options = paths.stage("evaluate"), settings.evaluate
    folds, labels = read_table(paths.folds), LabelSet.read(paths.labels)
    manifest = labels.classify(read_manifest(paths.manifest(settings.roles.benchmark)))
    benchmark = open_benchmark(settings, manifest, folds, labels)
    with one_thread():
        features = svm_features(data, settings, manifest)
        predictions = all_predictions(data, settings, manifest, folds, labels.classes, features)
    write_table(out / "predictions.parquet", predictions, predictions_schema(labels.classes))
    write_frames(paths.embeddings("visual", settings.roles.benchmark), out / FRAMES_FILE)

    metrics = compute_metrics(predictions, benchmark, settings)
    groups = group_figures(predictions, benchmark, options.bootstrap, settings.seed)
    heads, head_figures = zero_shot_table(predictions, benchmark, options.bootstrap, settings.seed)
    tables = _setup_tables(data, out, settings, benchmark)
    tables |= _result_tables(data, settings, benchmark, metrics, groups, predictions)
    if len(heads.frame):
        gaps = head_gaps(data, settings.roles.benchmark, labels.classes)
        tables["zero_shot"] = replace(heads, notes=f"{heads.notes} {gaps}")
    if features:
        tables["normalisation"] = _curve(features, benchmark, folds, settings.seed)
    for name in ("tables", "plots"):
        # Some files are of a protocol or an encoder that is no longer there.
        shutil.rmtree(out / name, ignore_errors=True)
    _write_tables(out / "tables", tables, benchmark)
    _write_plots(out, data, settings, predictions, labels.classes)
    summary = inner_validation(data, settings, [name for name in metrics if not protocol(name).peeks])
    write_json(out / "summary.json", ({"data": SYNTHETIC} if benchmark.synthetic else {}) | summary)
    whole = {ABOUT: _about(benchmark, groups, head_figures)} | metrics
    write_json(out / "metrics.json", whole)
    return whole


def _curve(
    features: dict[str, np.ndarray], benchmark: Benchmark, folds: pd.DataFrame, seed: int
) -> ReportTable:
    with one_thread():
        return normalisation_curve(features, benchmark, folds, seed)


def _write_tables(folder: Path, tables: dict[str, ReportTable], benchmark: Benchmark) -> None:
    """Write every table; those of the benchmark with its caption."""
    for name, table in tables.items():
        captioned = name in (*OF_BENCHMARK, "zero_shot")
        notes = f"{benchmark.caption} {table.notes}".strip() if captioned else table.notes
        write_report_table(folder, name, replace(table, notes=notes), benchmark.synthetic)


def _about(benchmark: Benchmark, groups: list[dict], heads: dict) -> dict:
    """The data behind the figures of metrics.json, and the figures that belong to no protocol and arm."""
    return {
        "data": SYNTHETIC if benchmark.synthetic else "recordings",
        "benchmark": {
            "corpus": benchmark.name,
            "clips": benchmark.clips,
            "speakers": benchmark.speakers,
            "classes": list(benchmark.classes),
            "seeds": list(benchmark.seeds),
            "labels_seen_by_encoder": benchmark.seen,
        },
        "groups": groups,
        "zero_shot": heads,
    }
