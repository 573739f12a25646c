"""Stage transfer: the fold models on a corpus that nothing was trained on (the report's second table)."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_table, write_json, write_table
from mfer_core.base.labels import LabelSet
from mfer_core.base.modalities import MODALITIES
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.cache.embeddings import same_encoder
from mfer_core.dataset.clips import Clips
from mfer_core.dataset.fold import Fold
from mfer_core.dataset.modality import ModalityEmbeddings, load_modality, make_clips, manifest_of
from mfer_core.encoders.device import one_thread
from mfer_core.evaluation.cross_corpus import cross_corpus, cross_corpus_table
from mfer_core.evaluation.shared_classes import SharedClasses, share_classes
from mfer_core.evaluation.summary import ABOUT, count, fold_statistics, intervals, pooled_statistics
from mfer_core.evaluation.tables import ReportTable, write_report_table
from mfer_core.evaluation.transfer_fold import (
    FoldTransfer,
    Outcome,
    few_shot_outcomes,
    load_models,
    shifts,
    zero_shot_outcomes,
)
from mfer_core.evaluation.transfer_report import is_synthetic, write_tables
from mfer_core.protocol.metrics import calibration, calibration_error, decision_scores
from mfer_core.protocol.protocols import protocol


def honest_folds(data: Path) -> list[tuple[str, int]]:
    """(protocol, fold) of every honest protocol. Raises MferError when there is none."""
    folds = read_table(DataPaths(data).folds, ["protocol", "fold"]).drop_duplicates()
    honest = [
        (str(row.protocol), int(row.fold)) for row in folds.itertuples() if protocol(str(row.protocol)).honest
    ]
    if not honest:
        raise MferError(
            "transfer needs models of a protocol that holds speakers out: add one (luna5) to folds.protocols"
        )
    return honest


def _load(data: Path, corpus: str, settings: Settings) -> tuple[pd.DataFrame, dict[str, ModalityEmbeddings]]:
    names = [name for name in MODALITIES if name in settings.arms]
    return manifest_of(data, [corpus]), {name: load_modality(data, name, [corpus]) for name in names}


def outcome_scores(outcome: Outcome, labels: np.ndarray) -> dict[str, float]:
    """Metrics of one outcome; ``labels`` are those of all target clips."""
    truth = labels[outcome.clips]
    return decision_scores(truth, outcome.probabilities.argmax(1), outcome.probabilities.shape[1]) | {
        "ece": float(calibration_error(calibration(outcome.probabilities, truth)))
    }


def classes_shared(data: Path, settings: Settings) -> SharedClasses:
    """What the benchmark's classes and the labels of the transfer corpus have in common."""
    classes = LabelSet.read(DataPaths(data).labels).classes
    corpus = settings.roles.transfer
    labels = manifest_of(data, [corpus]).label
    return share_classes(classes, labels, settings.transfer.mapping, corpus)


def run_folds(
    data: Path, settings: Settings, classes: SharedClasses
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Long tables over all folds and seeds: scores per outcome, predictions per clip, shifts per arm."""
    manifest, target_modalities = _load(data, settings.roles.transfer, settings)
    _, source_modalities = _load(data, settings.roles.benchmark, settings)
    manifest = classes.classify(manifest)
    target = make_clips(sorted(manifest.index), manifest, classes.classes, target_modalities)
    for name, embeddings in target_modalities.items():
        if embeddings.values and not same_encoder(embeddings.metadata, source_modalities[name].metadata):
            raise MferError(
                f"{settings.roles.transfer} has other {name} embeddings than {settings.roles.benchmark}: "
                "run embed for both"
            )
    if not len(target):
        raise MferError(f"no clip of {settings.roles.transfer} has embeddings: run embed for it first")
    rows, predictions, moved = [], [], []
    corpora = [settings.roles.benchmark, settings.roles.transfer]
    for (name, number), seed in product(honest_folds(data), settings.seeds):
        models, selection = (
            load_models(data, (name, seed, number), settings.arms, corpora, selection)
            for selection in (False, True)
        )
        source = Fold.read(data, settings.roles.benchmark, name, number).clips(source_modalities)
        fold = FoldTransfer(models, selection, source["valid"], target)
        fold_columns = {"protocol": name, "fold": number, "seed": seed}
        outcomes = [
            *zero_shot_outcomes(fold),
            *few_shot_outcomes(fold, settings.transfer, settings.seed),
        ]
        for decided in outcomes:
            outcome = replace(decided, probabilities=classes.answer(decided.probabilities))
            facts = {
                "arm": outcome.arm,
                "setting": outcome.setting,
                "draw": outcome.draw,
                "speaker_disjoint": outcome.speaker_disjoint,
            }
            rows.append(fold_columns | facts | outcome_scores(outcome, target.labels.numpy()))
            predictions.append(_predictions(outcome, target, classes.classes).assign(**fold_columns))
        rows += [
            fold_columns | row
            for row in _source_rows(FoldTransfer(models, selection, source["valid"], source["test"]))
        ]
        moved += [fold_columns | {"arm": arm, **values} for arm, values in shifts(fold).items()]
    return pd.DataFrame(rows), pd.concat(predictions, ignore_index=True), pd.DataFrame(moved)


def _source_rows(fold: FoldTransfer) -> list[dict]:
    """Every arm on the fold's own test part, under every normalisation: the cost of the robust fusion without
    domain shift.
    """
    labels = fold.target.labels.numpy()
    facts = {"draw": 0, "speaker_disjoint": True}
    renamed = (
        (outcome, outcome.setting.replace("zero-shot", "source test part"))
        for outcome in zero_shot_outcomes(fold)
    )
    return [
        {"arm": outcome.arm, "setting": setting, **facts, **outcome_scores(outcome, labels)}
        for outcome, setting in renamed
    ]


def _predictions(outcome: Outcome, target: Clips, classes: tuple[str, ...]) -> pd.DataFrame:
    """A row per clip: arm, setting, draw, clip_id, speaker, label, and a probability per class."""
    facts = {"arm": outcome.arm, "setting": outcome.setting, "draw": outcome.draw}
    table = pd.DataFrame(outcome.probabilities.astype(np.float32), columns=list(classes))
    names = np.array(classes)
    return table.assign(
        **facts,
        clip_id=np.array(target.clip_ids)[outcome.clips],
        speaker=np.array(target.speakers)[outcome.clips],
        label=names[target.labels.numpy()[outcome.clips]],
    )


def transfer_metrics(
    rows: pd.DataFrame, predictions: pd.DataFrame, settings: Settings, classes: tuple[str, ...]
) -> dict:
    """protocol -> arm -> setting -> metric -> statistics over folds (draws and seeds of one fold are averaged
    first).

    On the transfer corpus also the value pooled over folds and draws, its deviation over seeds and its 95 %
    interval, its speakers resampled.
    """
    metrics: dict = {}
    for (name, arm, setting), group in rows.groupby(["protocol", "arm", "setting"], sort=False):
        by_fold = group.groupby("fold")[["accuracy", "uar", "macro_f1", "ece"]].mean()
        statistics = {metric: fold_statistics(values.to_numpy()) for metric, values in by_fold.items()}
        metrics.setdefault(name, {}).setdefault(arm, {})[setting] = statistics
    for (name, arm, setting), table in predictions.groupby(["protocol", "arm", "setting"], sort=False):
        counts = count(table, table.speaker, classes)
        pooled = pooled_statistics(counts)
        ci95 = intervals(counts, settings.evaluate.bootstrap, settings.seed)
        for metric in ("accuracy", "uar", "macro_f1"):
            metrics[name][arm][setting][metric] |= pooled[metric]
            if metric in ci95:
                metrics[name][arm][setting][metric] |= {"ci95": ci95[metric]}
    return metrics


def transfer(data: Path, settings: Settings) -> dict:
    """Write ``data/transfer`` and return its metrics: none where the transfer corpus is left out on purpose.

    Raises MferError when a stage before it has not run.
    """
    data = Path(data)
    corpus = settings.roles.transfer
    if settings.corpora[corpus].source == "absent":
        return _left_out(DataPaths(data).stage("transfer"))
    classes = classes_shared(data, settings)
    with one_thread():
        rows, predictions, moved = run_folds(data, settings, classes)
        figures = cross_corpus(data, settings, classes)
    metrics = transfer_metrics(rows, predictions, settings, classes.classes)
    out = DataPaths(data).stage("transfer")
    write_table(out / "predictions.parquet", predictions)
    others = {
        "classes": classes.table(corpus, manifest_of(data, [corpus]).label),
        "cross_corpus": cross_corpus_table(figures),
    }
    write_tables(out / "tables", settings, metrics, rows, predictions, moved, others)
    about: dict[str, Any] = {
        "data": "synthetic" if is_synthetic(settings) else "recordings",
        "classes": {
            "shared": classes.shared,
            "labels": dict(classes.labels),
            "answers": dict(classes.answers),
        },
        "cross_corpus": figures,
    }
    whole = {ABOUT: about} | metrics
    write_json(out / "metrics.json", whole)
    return whole


def _left_out(out: Path) -> dict:
    note = (
        "The settings name no transfer corpus: bring your own recordings to see how the models do on other "
        "data."
    )
    table = ReportTable("On the transfer corpus", pd.DataFrame({"protocol": []}), note)
    write_report_table(out / "tables", "transfer", table, False)
    write_table(out / "predictions.parquet", pd.DataFrame({"clip_id": []}))
    write_json(out / "metrics.json", {})
    return {}
