"""Logistic regression with an L2 penalty as weights of a linear layer: the field's probe of an encoder, and
a part of the arms that start from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # C, inverse of the regularisation, tried on the validation clips
SHRINKAGE = 0.9  # of the covariance within the classes towards a sphere
NEVER = -30.0  # The logit of a class without a training clip.


@dataclass(frozen=True)
class Regression:
    """Logits are ``inputs @ weight.T + bias``."""

    weight: np.ndarray  # float64 [C, F]
    bias: np.ndarray  # float64 [C]
    strength: float

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        return inputs @ self.weight.T + self.bias  # [N, C]


@threadpool_limits.wrap(limits=1)  # With products this small, threads mostly wait for each other.
def fit_regression(
    inputs: np.ndarray,
    labels: np.ndarray,
    classes: int,
    strengths: Sequence[float],
    weights: np.ndarray | None = None,
) -> list[Regression]:
    """One regression per strength, on standardised ``inputs`` [N, F] and class ids [N]; each starts from
    the one before. ``weights`` [N]: how much each row counts, alike where there are none.
    """
    axes = _axes(inputs)
    inputs = inputs if axes is None else inputs @ axes.T
    model, fitted = LogisticRegression(max_iter=1000, warm_start=True), []
    for strength in strengths:
        model.set_params(C=strength).fit(inputs, labels, weights)
        weight, bias = model.coef_, model.intercept_
        if len(model.classes_) == 2:  # scikit-learn keeps the difference of two classes.
            weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        whole = np.zeros((classes, weight.shape[1])), np.full(classes, NEVER)
        whole[0][model.classes_], whole[1][model.classes_] = weight, bias
        fitted.append(Regression(whole[0] if axes is None else whole[0] @ axes, whole[1], strength))
    return fitted


@threadpool_limits.wrap(limits=1)
def fit_whitened(
    inputs: np.ndarray,
    labels: np.ndarray,
    classes: int,
    strengths: Sequence[float],
    weights: np.ndarray | None = None,
) -> list[Regression]:
    """``fit_regression`` with another penalty: a direction in which clips of one class differ much, by the
    person and by what is said, is trusted less.

    The inputs are whitened by the covariance within the classes, as speaker recognition does (within-class
    covariance normalisation, Hatch, Kajarekar and Stolcke 2006), shrunk towards a sphere by ``SHRINKAGE``.
    """
    axes = _axes(inputs)
    turned = inputs if axes is None else inputs @ axes.T
    centres = np.zeros((classes, turned.shape[1]))
    counts = np.ones(len(labels)) if weights is None else weights
    np.add.at(centres, labels, turned * counts[:, None])
    sums = np.bincount(labels, counts, minlength=classes)
    centres /= np.where(sums > 0, sums, 1)[:, None]
    within = (turned - centres[labels]) * np.sqrt(counts)[:, None]
    size = counts.sum()
    sphere = (within**2).sum() / (size * inputs.shape[1]) or 1.0  # the mean variance of a dimension
    variances, directions = np.linalg.eigh(within.T @ within / size)
    trusted = (1 - SHRINKAGE) * np.maximum(variances, 0) + SHRINKAGE * sphere
    whitening = directions / np.sqrt(trusted)  # [A, A]
    fitted = fit_regression(turned @ whitening, labels, classes, strengths, weights)
    turned_back = [regression.weight @ whitening.T for regression in fitted]
    if axes is not None:
        turned_back = [weight @ axes for weight in turned_back]
    return [replace(one, weight=weight) for one, weight in zip(fitted, turned_back, strict=True)]


def _axes(inputs: np.ndarray) -> np.ndarray | None:
    """The principal axes of ``inputs`` [N, F], [N, F], where those are fewer than the dimensions.

    An L2 penalty does not see the turn onto them, and a fit is quicker.
    """
    return np.linalg.svd(inputs, full_matrices=False)[2] if len(inputs) < inputs.shape[1] else None
