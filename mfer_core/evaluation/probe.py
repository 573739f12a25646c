"""The field's standard probe of an encoder: a logistic regression on statistics of its cached embeddings.

Each clip is the mean and the standard deviation over time of its embeddings, standardised by the training
part. What the probe learns needs no recurrent model: an arm below its probe has lost what is in the
embeddings.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from mfer_core.base.labels import CLASSES
from mfer_core.base.modalities import MODALITIES
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.cache.embeddings import open_embeddings
from mfer_core.evaluation.arms import OF_SPEAKER, PROBES, normalised_arms
from mfer_core.evaluation.baseline import by_speaker
from mfer_core.protocol.metrics import losses
from mfer_core.protocol.predictions import prediction_rows
from mfer_core.protocol.protocols import protocol

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # C, inverse of the regularisation, tried on the inner split
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
    data: Path, settings: Settings, manifest: pd.DataFrame, folds: pd.DataFrame
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
        yield probe_of(arm, {name: plain[name] for name in names}, labels, folds, settings.folds.refit)
        if set(names) & set(normalised):
            several = {name: moved[name] for name in names}
            yield probe_of(arm + OF_SPEAKER, several, labels, folds, settings.folds.refit)


def probe_of(
    arm: str,
    features: Mapping[str, Statistics],
    labels: pd.Series,
    folds: pd.DataFrame,
    refit: bool,
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
        shares = _fit_predict(features, labels, parts, again)
        tables.append(prediction_rows(labels[parts["test"]], name, fold, arm, shares, CLASSES))
    return pd.concat(tables, ignore_index=True)


@threadpool_limits.wrap(limits=1)  # With products this small, threads mostly wait for each other.
def _fit_predict(
    features: Mapping[str, Statistics], labels: pd.Series, parts: dict[str, list[str]], again: bool
) -> np.ndarray:
    """Probabilities [N, C] of the test clips: C is chosen on the validation part, on which the arms choose
    their epoch.

    ``again``: like a refitted arm, the probe then learns from both parts.
    """
    train, valid = parts["train"], parts["valid"]
    inputs = design(features, train, valid)
    targets = labels[valid].to_numpy()
    model = LogisticRegression(max_iter=1000, warm_start=True)  # Each fit starts from the one before.
    errors = []
    for strength in STRENGTHS:
        model.set_params(C=strength).fit(inputs[0], labels[train].to_numpy())
        errors.append(_log_loss(_probabilities(model, inputs[1]), targets))
    best = STRENGTHS[int(np.argmin(errors))]
    learned = sorted({*train, *valid}) if again else train
    first, last = design(features, learned, parts["test"])
    final = LogisticRegression(C=best, max_iter=1000).fit(first, labels[learned].to_numpy())
    return _probabilities(final, last)


def design(features: Mapping[str, Statistics], train: list[str], other: list[str]) -> list[np.ndarray]:
    """The inputs of training clips and of others, [N, D]: standardised by the training clips that have the
    modality.

    A clip without a modality has zeros there, the training mean. The inputs are turned onto the training
    clips' principal axes where those are fewer than the dimensions: an L2 penalty does not see the turn, and
    the fit is quicker.
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
    inputs = [np.concatenate(several, 1) for several in zip(*columns, strict=True)]
    if len(train) >= inputs[0].shape[1]:
        return inputs
    axes = np.linalg.svd(inputs[0], full_matrices=False)[2]
    return [values @ axes.T for values in inputs]


def _probabilities(model: LogisticRegression, inputs: np.ndarray) -> np.ndarray:
    """[N, C] over CLASSES; 0 for a class without a training clip."""
    result = np.zeros((len(inputs), len(CLASSES)))
    result[:, [CLASSES.index(name) for name in model.classes_]] = model.predict_proba(inputs)
    return result


def _log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float(losses(probabilities, np.array([CLASSES.index(label) for label in labels]))[:, 1].mean())
