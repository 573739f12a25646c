"""Logistic regression with an L2 penalty as weights of a linear layer: the field's probe of an encoder, and
a part of the arms that start from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # C, inverse of the regularisation, tried on the validation clips
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
    inputs: np.ndarray, labels: np.ndarray, classes: int, strengths: Sequence[float]
) -> list[Regression]:
    """One regression per strength, on standardised ``inputs`` [N, F] and class ids [N]; each starts from
    the one before.

    The inputs are turned onto their principal axes where those are fewer than the dimensions: an L2 penalty
    does not see the turn, and the fit is quicker.
    """
    axes = None
    if len(inputs) < inputs.shape[1]:
        axes = np.linalg.svd(inputs, full_matrices=False)[2]
        inputs = inputs @ axes.T
    model, fitted = LogisticRegression(max_iter=1000, warm_start=True), []
    for strength in strengths:
        model.set_params(C=strength).fit(inputs, labels)
        weight, bias = model.coef_, model.intercept_
        if len(model.classes_) == 2:  # scikit-learn keeps the difference of two classes.
            weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        whole = np.zeros((classes, weight.shape[1])), np.full(classes, NEVER)
        whole[0][model.classes_], whole[1][model.classes_] = weight, bias
        fitted.append(Regression(whole[0] if axes is None else whole[0] @ axes, whole[1], strength))
    return fitted
