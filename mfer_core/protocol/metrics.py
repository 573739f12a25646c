"""Metrics of all predictions at once, in the field's terms: accuracy (WA), UAR, macro F1; Brier score, log
loss, ECE.

Everything takes leading dimensions, so a thousand resamples cost one call.
"""

import numpy as np

ECE_BINS = 15
SCORES = ("accuracy", "uar", "macro_f1")
SMALLEST = 1e-7  # The smallest probability under the logarithm: single precision rounds smaller ones to 0.


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts [C, C]: row = true class id, column = predicted class id."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(np.broadcast(part, whole).shape, np.nan), where=whole > 0)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    return _ratio(np.nansum(values, -1), (~np.isnan(values)).sum(-1))


def recalls(matrix: np.ndarray) -> np.ndarray:
    """Recall per class [..., C] of confusion matrices [..., C, C]; NaN for a class without clips."""
    return _ratio(np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(-1))


def scores(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """``SCORES`` of confusion matrices [..., C, C].

    UAR is the mean recall of the classes that occur; macro F1 the mean over classes that occur or are
    predicted.
    """
    hit = np.diagonal(matrix, axis1=-2, axis2=-1)
    f1 = _ratio(2 * hit, matrix.sum(-1) + matrix.sum(-2))
    return {
        "accuracy": _ratio(hit.sum(-1), matrix.sum((-2, -1))),
        "uar": _mean(recalls(matrix)),
        "macro_f1": _mean(f1),
    }


def decision_scores(labels: np.ndarray, predicted: np.ndarray, classes: int) -> dict[str, float]:
    """``SCORES`` of decisions: class ids [N], true and predicted."""
    return {name: float(value) for name, value in scores(confusion(labels, predicted, classes)).items()}


def losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Per clip its Brier score (Brier 1950; squared distances summed over classes, 0 to 2) and log loss
    (nats): [N, 2].

    Both are proper: their mean over clips is least, in expectation, for the true probabilities [N, C], and a
    bootstrap of clips leaves it unbiased. The ECE is not and does not.
    """
    right = np.arange(probabilities.shape[1]) == labels[:, None]
    brier = np.square(probabilities - right).sum(1)
    return np.stack([brier, -np.log(np.maximum(probabilities[right], SMALLEST))], 1)


def calibration(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Reliability sums [ECE_BINS, 3]: clips, their confidence, their hits, by equal bins of confidence;
    probabilities [N, C].
    """
    confidence = probabilities.max(1).astype(np.float64)
    hit = (probabilities.argmax(1) == labels).astype(np.float64)
    bin_of = np.clip(np.ceil(confidence * ECE_BINS).astype(int) - 1, 0, ECE_BINS - 1)
    return np.stack(
        [np.bincount(bin_of, weights, ECE_BINS) for weights in (np.ones_like(confidence), confidence, hit)], 1
    )


def calibration_error(sums: np.ndarray) -> np.ndarray:
    """Expected calibration error (Naeini et al. 2015) of reliability sums [..., bins, 3].

    Biased upwards: with few clips a perfectly calibrated model has one as well, and resampled clips have a
    larger one, so that a percentile interval of it is none.
    """
    return _ratio(np.abs(sums[..., 1] - sums[..., 2]).sum(-1), sums[..., 0].sum(-1))
