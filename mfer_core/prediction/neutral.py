"""A person's own neutral: probabilities beside those of a calm stretch of the same person.

Some faces look sad at rest, and some voices sound angry. In the calm stretch each class has a mean share (the
geometric mean over its windows); every share is divided by it, multiplied by a fixed one (``AT_REST``) and
made to sum to 1. So a stretch like the calm one reads as neutral, and the odds between two classes change by
one and the same factor everywhere: the correction of a classifier for other priors (Saerens et al. 2002,
"Adjusting the outputs of a classifier to new a priori probabilities").
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mfer_core.base.errors import MferError

NEUTRAL = "neutral"
AT_REST = 0.5  # The share of neutral in the calm stretch itself; the other classes share the rest.
SMALLEST = 1e-6  # A class that the calm stretch rules out is taken for so likely there.


@dataclass(frozen=True)
class PersonalNeutral:
    """The mean shares of a calm stretch by arm, or how long the calm stretch at a recording's start is."""

    shares: Mapping[str, np.ndarray] | None = None  # arm -> float64 [C]
    first_s: float | None = None

    @property
    def about(self) -> str:
        """A line that must stand beside the figures."""
        stretch = "a calm recording" if self.first_s is None else f"the first {self.first_s:g} s"
        return f"Beside {stretch} of the same person, which reads as {NEUTRAL}: no absolute figures."

    @property
    def facts(self) -> dict:
        """All that shapes figures."""
        shares = {arm: values.tolist() for arm, values in (self.shares or {}).items()}
        return {"shares": shares, "first_s": self.first_s}

    def adjust(
        self, whole: pd.DataFrame, windows: pd.DataFrame, classes: tuple[str, ...]
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The tables of a ``Prediction`` beside the calm stretch; an arm without a say there stays."""
        shares = self.shares
        if shares is None:
            shares = calm_shares(windows[windows.end_s <= self.first_s], classes)
        return _adjusted(whole, shares, classes), _adjusted(windows, shares, classes)


def calm_shares(windows: pd.DataFrame, classes: tuple[str, ...]) -> dict[str, np.ndarray]:
    """arm -> geometric mean [C] of the shares of a timeline's windows. Raises MferError without a neutral
    class.
    """
    if NEUTRAL not in classes:
        raise MferError(f"a baseline needs a model with the class {NEUTRAL}; it has {', '.join(classes)}")
    logs = np.log(windows[list(classes)].clip(lower=SMALLEST))
    return {str(arm): np.exp(rows.mean().to_numpy()) for arm, rows in logs.groupby(windows.arm)}


def _adjusted(
    table: pd.DataFrame, shares: Mapping[str, np.ndarray], classes: tuple[str, ...]
) -> pd.DataFrame:
    rest = (1 - AT_REST) / (len(classes) - 1)
    resting = np.array([AT_REST if name == NEUTRAL else rest for name in classes])
    values = table[list(classes)].to_numpy(float)
    factors = np.array(
        [resting / shares[arm] if arm in shares else np.ones(len(classes)) for arm in table.arm]
    )
    values = values * factors.reshape(values.shape)
    values /= values.sum(1, keepdims=True)
    labels = [classes[index] for index in values.argmax(1)] if len(values) else []
    return table.assign(label=labels, **dict(zip(classes, values.T, strict=True)))
