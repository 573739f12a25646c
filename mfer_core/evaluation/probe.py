"""The field's standard probe of an encoder: a logistic regression on statistics of its cached embeddings.

Each clip is the mean and the standard deviation over time of its embeddings, standardised by the training
part. What the probe learns needs no recurrent model: an arm below its probe has lost what is in the
embeddings.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import softmax

from mfer_core.base.modalities import MODALITIES
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.cache.embeddings import open_embeddings
from mfer_core.evaluation.arms import OF_SPEAKER, PROBES, normalised_arms
from mfer_core.evaluation.baseline import by_speaker
from mfer_core.models.regression import STRENGTHS, fit_regression
from mfer_core.protocol.metrics import losses
from mfer_core.protocol.predictions import prediction_rows
from mfer_core.protocol.protocols import protocol

Statistics = dict[str, np.ndarray]  # clip_id -> float64 [2 D]
KEYS = ["protocol", "fold"]


def embedding_statistics(data: Path, modality: str, corpus: str) -> Statistics:
    """clip_id -> mean and standard deviation over time of its embeddings, [2 D]; a clip without steps is not
    in it.

    Raises MferError when the embed stage has not run.
    """
    values = open_embeddings(DataPaths(data).embeddings(modality, corpus))
    return {
        clip: np.concatenate([steps.mean(0, dtype=np.float64), steps.std(0, dtype=np.float64)])
        for clip, steps in values.items()
        if len(steps)
    }


def probe_predictions(
    data: Path, settings: Settings, manifest: pd.DataFrame, folds: pd.DataFrame, classes: tuple[str, ...]
) -> Iterator[pd.DataFrame]:
    """Yield rows of the predictions contract: a probe per modality that has an arm, one of both, and, where
    an arm is standardised by speaker, the same of features standardised so.
    """
    modalities: list[str] = [arm for arm in MODALITIES if arm in settings.arms]
    plain: dict[str, Statistics] = {
        modality: embedding_statistics(data, modality, settings.roles.benchmark) for modality in modalities
    }
    normalised = normalised_arms(settings)
    moved = {
        modality: by_speaker(values, manifest) if modality in normalised else values
        for modality, values in plain.items()
    }
    labels = manifest.set_index("clip_id").label
    for arm, names in PROBES.items():
        if not set(names) <= set(modalities):
            continue
        several, refit = {name: plain[name] for name in names}, settings.folds.refit
        yield probe_of(arm, several, labels, folds, refit, classes)
        if set(names) & set(normalised):
            several = {name: moved[name] for name in names}
            yield probe_of(arm + OF_SPEAKER, several, labels, folds, refit, classes)


def probe_of(
    arm: str,
    features: Mapping[str, Statistics],
    labels: pd.Series,
    folds: pd.DataFrame,
    refit: bool,
    classes: tuple[str, ...],
) -> pd.DataFrame:
    """One probe under all folds."""
    known = set().union(*features.values())
    usable = folds[folds.clip_id.isin(known)]
    tables = []
    for (name, fold), rows in usable.groupby(KEYS, sort=False):
        parts = {part: sorted(clips) for part, clips in rows.groupby("part").clip_id}
        if not parts.get("test"):
            continue
        again = refit and protocol(name).inner
        shares = _fit_predict(features, labels.map(classes.index), parts, again, len(classes))
        tables.append(prediction_rows(labels[parts["test"]], name, fold, arm, shares, classes))
    return pd.concat(tables, ignore_index=True)


def strongest(
    features: Mapping[str, Statistics], ids: pd.Series, train: list[str], valid: list[str], classes: int
) -> float:
    """The strength whose probe of the ``train`` clips has the least log loss on the ``valid`` clips; ``ids``:
    of the classes, by clip_id.
    """
    inputs, targets = design(features, train, valid), ids[valid].to_numpy()
    fitted = fit_regression(inputs[0], ids[train].to_numpy(), classes, STRENGTHS)
    errors = [_log_loss(softmax(regression.logits(inputs[1]), 1), targets) for regression in fitted]
    return STRENGTHS[int(np.argmin(errors))]


def _fit_predict(
    features: Mapping[str, Statistics],
    ids: pd.Series,
    parts: dict[str, list[str]],
    again: bool,
    classes: int,
) -> np.ndarray:
    """Probabilities [N, C] of the test clips: the strength is chosen on the validation part, on which the
    arms choose their epoch; ``ids``: of the classes, by clip_id.

    ``again``: like a refitted arm, the probe then learns from both parts.
    """
    train, valid = parts["train"], parts["valid"]
    best = strongest(features, ids, train, valid, classes)
    learned = sorted({*train, *valid}) if again else train
    first, last = design(features, learned, parts["test"])
    (final,) = fit_regression(first, ids[learned].to_numpy(), classes, [best])
    return softmax(final.logits(last), 1)


def design(features: Mapping[str, Statistics], train: list[str], other: list[str]) -> list[np.ndarray]:
    """The inputs of training clips and of others, [N, D]: standardised by the training clips that have the
    modality.

    A clip without a modality has zeros there, the training mean.
    """
    columns = []
    for values in features.values():
        several = np.stack([values[clip] for clip in train if clip in values])
        mean, std = several.mean(0), several.std(0)
        scale = np.divide(1, std, out=np.zeros_like(std), where=std > 1e-8)
        empty = np.zeros(len(mean))
        columns.append(
            [
                np.stack([(values[clip] - mean) * scale if clip in values else empty for clip in clips])
                for clips in (train, other)
            ]
        )
    return [np.concatenate(several, 1) for several in zip(*columns, strict=True)]


def _log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float(losses(probabilities, labels)[:, 1].mean())
