"""Which classes models and another corpus share, and what the others count as: every mapping by name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mfer_core.base.errors import MferError
from mfer_core.evaluation.tables import ReportTable

LEFT_OUT, NO_ANSWER = "left out", "no answer"
SMALLEST = 1e-12  # The least that the shared classes together are given, so that none is divided by 0.


@dataclass(frozen=True)
class SharedClasses:
    """The classes of models on a corpus of other labels."""

    classes: tuple[str, ...]  # of the models, in the order of their ids
    labels: Mapping[str, str | None]  # label of the corpus -> the class that its clips are of; None: left out
    answers: Mapping[
        str, str | None
    ]  # class of the models -> the class that it is taken for; None: no answer

    def classify(self, manifest: pd.DataFrame) -> pd.DataFrame:
        """The corpus's clips that have a class of the models, with that in column ``label``."""
        counted = manifest.assign(label=manifest.label.map(dict(self.labels)))
        return counted[counted.label.notna()]

    def source(self, manifest: pd.DataFrame) -> pd.DataFrame:
        """The clips that models are trained on, ``manifest`` by the models' classes, by the shared
        classes.
        """
        counted = manifest.assign(label=manifest.label.map(dict(self.answers)))
        return counted[counted.label.notna()]

    def answer(self, probabilities: np.ndarray) -> np.ndarray:
        """The models' probabilities [N, C] as answers on the corpus: a class that it does not know is given
        to the one that it counts as, or to none, and the rest sums to 1.
        """
        if all(name == answer for name, answer in self.answers.items()):
            return probabilities
        shares = probabilities.copy()
        for column, name in enumerate(self.classes):
            answer = self.answers[name]
            if answer not in (name, None):
                shares[:, self.classes.index(answer)] += shares[:, column]
            if answer != name:
                shares[:, column] = 0
        if None in self.answers.values():
            shares /= np.maximum(shares.sum(1, keepdims=True), SMALLEST)
        return shares

    @property
    def shared(self) -> list[str]:
        """The classes that are answers, in the order of their ids."""
        return [name for name in self.classes if name in set(self.answers.values())]

    def table(self, corpus: str, labels: pd.Series) -> ReportTable:
        """Every mapping as a row; ``labels``: of all clips of the corpus."""
        counts = labels.value_counts()
        rows = [
            {"label of": corpus, "label": label, "clips": str(counts[label]), "counts as": name or LEFT_OUT}
            for label, name in self.labels.items()
        ]
        rows += [
            {"label of": "the models", "label": name, "clips": "-", "counts as": answer or NO_ANSWER}
            for name, answer in self.answers.items()
        ]
        note = (
            f"Clips that are {LEFT_OUT} are not scored. The arms answer among the shared classes: a class "
            f"with {NO_ANSWER} here has its probability taken away, and the rest sums to 1."
        )
        return ReportTable("Which label counts as which class", pd.DataFrame(rows), note)


def share_classes(
    classes: tuple[str, ...], labels: Iterable[str], merged: Mapping[str, str], corpus: str
) -> SharedClasses:
    """What models of ``classes`` and a corpus with ``labels`` have in common.

    ``merged``: what a name counts as where the other side does not know it, such as calm: neutral. (RAVDESS
    has two baselines, neutral and calm, Livingstone & Russo 2018; a corpus with one calls both neutral.)
    Raises MferError where fewer than two classes are shared.
    """
    known = {label: _counts_as(label, classes, merged) for label in sorted(set(labels))}
    reached = [name for name in classes if name in known.values()]
    if len(reached) < 2:
        raise MferError(
            f"the models ({', '.join(classes)}) and {corpus} ({', '.join(known)}) share {len(reached)} "
            "classes, and need two: say in transfer.mapping what its labels count as"
        )
    return SharedClasses(classes, known, {name: _counts_as(name, reached, merged) for name in classes})


def _counts_as(name: str, others: Iterable[str], merged: Mapping[str, str]) -> str | None:
    return next((label for label in (name, merged.get(name)) if label is not None and label in others), None)
