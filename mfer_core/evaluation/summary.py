"""Predictions of one arm under one protocol -> metric -> mean, std, min, max, pooled, ci95, folds."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mfer_core.protocol.metrics import calibration, calibration_error, confusion, recalls, scores


@dataclass(frozen=True)
class Counts:
    """Additive statistics per group (speaker or fold): every metric follows from sums of these."""

    groups: tuple  # G names
    confusion: np.ndarray  # [G, C, C]
    calibration: np.ndarray  # [G, bins, 3]

    def metrics(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Metrics of weighted sums of groups: ``weights`` [B, G] -> [B] each."""
        mixed = np.tensordot(weights, self.confusion, 1)  # [B, C, C]
        return scores(mixed) | {"ece": calibration_error(np.tensordot(weights, self.calibration, 1))}


def count(table: pd.DataFrame, groups: pd.Series, classes: tuple[str, ...]) -> Counts:
    """Count a predictions table by group. ``groups`` is aligned with the table's rows."""
    probabilities = table[list(classes)].to_numpy(np.float64)
    labels = pd.Categorical(table.label, categories=list(classes)).codes.astype(int)
    predicted = probabilities.argmax(1)
    names = tuple(sorted(set(groups)))
    rows = [np.flatnonzero(groups.to_numpy() == name) for name in names]
    matrices = np.array([confusion(labels[row], predicted[row], len(classes)) for row in rows])
    sums = np.array([calibration(probabilities[row], labels[row]) for row in rows])
    return Counts(names, matrices, sums)


def intervals(counts: Counts, resamples: int, seed: int) -> dict[str, list[float]]:
    """Bootstrap 95 % intervals of the pooled metrics, resampling speakers (the groups of ``counts``) with replacement."""
    size = len(counts.groups)
    weights = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), resamples)
    return {
        name: np.nanpercentile(values, [2.5, 97.5]).tolist()
        for name, values in counts.metrics(weights).items()
    }


def summarise(
    table: pd.DataFrame, speakers: pd.Series, classes: tuple[str, ...], resamples: int, seed: int
) -> dict:
    """metric -> its spread over folds (sample standard deviation), its value over all predictions and its interval."""
    by_fold, by_speaker = count(table, table.fold, classes), count(table, speakers, classes)
    folds = by_fold.metrics(np.eye(len(by_fold.groups)))
    pooled = by_fold.metrics(np.ones((1, len(by_fold.groups))))
    ci95 = intervals(by_speaker, resamples, seed)
    result = {}
    for name, values in folds.items():
        spread = {
            "mean": values.mean(),
            "std": values.std(ddof=1) if len(values) > 1 else 0.0,
            "min": values.min(),
            "max": values.max(),
        }
        numbers = {key: float(value) for key, value in spread.items()}
        result[name] = numbers | {
            "pooled": float(pooled[name][0]),
            "ci95": ci95[name],
            "folds": values.tolist(),
        }
    return result


def headline(metrics: dict) -> dict:
    """protocol -> arm -> accuracy and UAR, means over folds: the few figures by which `dvc metrics` tells versions apart."""
    names = ("accuracy", "uar")
    return {
        name: {arm: {metric: found[metric]["mean"] for metric in names} for arm, found in arms.items()}
        for name, arms in metrics.items()
    }


def class_recalls(table: pd.DataFrame, classes: tuple[str, ...]) -> dict[str, float | None]:
    """Recall per class name over all predictions; None for a class that does not occur."""
    matrix = count(table, pd.Series(0, index=table.index), classes).confusion[0]
    return {
        name: None if np.isnan(value) else float(value)
        for name, value in zip(classes, recalls(matrix), strict=True)
    }


def fold_scores(table: pd.DataFrame, classes: tuple[str, ...]) -> dict[str, float]:
    """Every metric over all rows of a predictions table."""
    counts = count(table, pd.Series(0, index=table.index), classes)
    return {name: float(values[0]) for name, values in counts.metrics(np.ones((1, 1))).items()}
