"""Predictions of one arm under one protocol -> metric -> its statistics over folds, seeds and speakers."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mfer_core.protocol.metrics import (
    SCORES,
    calibration,
    calibration_error,
    confusion,
    losses,
    recalls,
    scores,
)
from mfer_core.protocol.predictions import NO_SEED

ABOUT = "about"  # key of metrics.json beside the protocols: what the figures stand on
LOSSES = ("brier", "log_loss")  # The order of ``losses``'s columns.
WITH_INTERVAL = (*SCORES, *LOSSES)  # The ECE has no interval: see ``calibration_error``.
# Four speakers can be drawn with replacement in 35 ways, five in 126. With fewer than 40 ways there is no
# fortieth of the draws to leave out at each end, as a 95 % interval does.
FEWEST_SPEAKERS = 5
NO_INTERVAL = f"fewer than {FEWEST_SPEAKERS} speakers"  # what stands in an interval's place


@dataclass(frozen=True)
class Counts:
    """Additive statistics per seed and group (speaker or fold): metrics follow from sums over groups."""

    groups: tuple  # G names
    confusion: np.ndarray  # [S, G, C, C]
    losses: np.ndarray  # [S, G, 2]: sums of Brier score and log loss
    calibration: np.ndarray  # [S, G, bins, 3]

    def by_seed(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Metrics of weighted sums of groups: ``weights`` [B, G] -> [B, S] each; NaN where no clip has
        weight.
        """
        mixed = np.tensordot(weights, self.confusion, (1, 1))  # [B, S, C, C]
        clips = np.where(mixed.any((-2, -1)), mixed.sum((-2, -1)), np.nan)
        means = np.tensordot(weights, self.losses, (1, 1)) / clips[..., None]
        error = calibration_error(np.tensordot(weights, self.calibration, (1, 1)))
        return scores(mixed) | {name: means[..., at] for at, name in enumerate(LOSSES)} | {"ece": error}

    def metrics(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Means over the seeds of ``by_seed``: [B] each."""
        return {name: values.mean(1) for name, values in self.by_seed(weights).items()}


def count(table: pd.DataFrame, groups: pd.Series, classes: tuple[str, ...], names: tuple = ()) -> Counts:
    """Count a predictions table by seed, in ascending order, and by group.

    ``groups`` is aligned with its rows; ``names`` orders them (default: sorted). Rows without a seed are
    those of one run.
    """
    probabilities = table[list(classes)].to_numpy(np.float64)
    labels = pd.Categorical(table.label, categories=list(classes)).codes.astype(int)
    predicted, by_clip = probabilities.argmax(1), losses(probabilities, labels)
    names = names or tuple(sorted(set(groups)))
    seeds, _ = pd.factorize(table.seed, sort=True, use_na_sentinel=False)
    members = groups.to_numpy()
    rows = [
        [np.flatnonzero((seeds == seed) & (members == name)) for name in names]
        for seed in range(int(seeds.max()) + 1)
    ]
    matrices = [[confusion(labels[row], predicted[row], len(classes)) for row in each] for each in rows]
    sums = [[calibration(probabilities[row], labels[row]) for row in each] for each in rows]
    lost = [[by_clip[row].sum(0) for row in each] for each in rows]
    return Counts(names, np.array(matrices), np.array(lost), np.array(sums))


def speaker_weights(speakers: int, resamples: int, seed: int) -> np.ndarray:
    """How often each speaker is drawn in each resample with replacement: [resamples, speakers]."""
    return np.random.default_rng(seed).multinomial(speakers, np.full(speakers, 1 / speakers), resamples)


def percentiles(values: np.ndarray) -> list[float]:
    """The 95 % interval of resampled values."""
    return np.nanpercentile(values, [2.5, 97.5]).tolist()


def intervals(counts: Counts, resamples: int, seed: int) -> dict[str, list[float]]:
    """Bootstrap 95 % intervals of the pooled metrics, means over seeds, resampling speakers (the groups of
    ``counts``) with replacement, each with the predictions of all seeds.

    None for fewer than ``FEWEST_SPEAKERS``, whose few resamples would look like certainty.
    """
    if len(counts.groups) < FEWEST_SPEAKERS:
        return {}
    drawn = counts.metrics(speaker_weights(len(counts.groups), resamples, seed))
    return {name: percentiles(drawn[name]) for name in WITH_INTERVAL}


def fold_statistics(values: np.ndarray) -> dict:
    """Mean, sample standard deviation (None for one fold), extremes, and the values [F] themselves."""
    return {
        "mean": float(values.mean()),
        "std": float(values.std(ddof=1)) if len(values) > 1 else None,
        "min": float(values.min()),
        "max": float(values.max()),
        "folds": values.tolist(),
    }


def pooled_statistics(counts: Counts) -> dict[str, dict]:
    """metric -> its value over all predictions (pooled), the mean over seeds; each seed's own; and their
    sample standard deviation (None for one seed).
    """
    statistics = {}
    for name, (values,) in counts.by_seed(np.ones((1, len(counts.groups)))).items():
        deviation = float(values.std(ddof=1)) if len(values) > 1 else None
        statistics[name] = {
            "pooled": float(values.mean()),
            "seeds": values.tolist(),
            "seed_std": deviation,
        }
    return statistics


def summarise(
    table: pd.DataFrame, speakers: pd.Series, classes: tuple[str, ...], resamples: int, seed: int
) -> dict:
    """metric -> its statistics over folds (each the mean over seeds), over all predictions, and, where it has
    one, its interval.
    """
    by_fold, by_speaker = count(table, table.fold, classes), count(table, speakers, classes)
    folds = by_fold.metrics(np.eye(len(by_fold.groups)))
    pooled, ci95 = pooled_statistics(by_fold), intervals(by_speaker, resamples, seed)
    return {
        name: fold_statistics(values) | pooled[name] | ({"ci95": ci95[name]} if name in ci95 else {})
        for name, values in folds.items()
    }


def class_recalls(table: pd.DataFrame, classes: tuple[str, ...]) -> dict[str, list[float] | None]:
    """Recall per class name over all predictions of each seed; None for a class that does not occur."""
    by_seed = recalls(count(table, pd.Series(0, index=table.index), classes).confusion[:, 0])  # [S, C]
    return {
        name: None if np.isnan(values).any() else values.tolist()
        for name, values in zip(classes, by_seed.T, strict=True)
    }


def fold_scores(table: pd.DataFrame, classes: tuple[str, ...]) -> dict[str, float]:
    """Every metric over all rows of one run's predictions table, which needs no column of seeds."""
    counts = count(table.assign(seed=NO_SEED), pd.Series(0, index=table.index), classes)
    return {name: float(values[0]) for name, values in counts.metrics(np.ones((1, 1))).items()}


def by_protocol(metrics: dict) -> dict:
    """protocol -> arm -> ... of a stage's metrics.json, without what it says about its data."""
    return {name: arms for name, arms in metrics.items() if name != ABOUT}
