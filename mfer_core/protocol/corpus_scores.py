"""Scores of stage 2a by corpus and emotion."""

import pandas as pd

from mfer_core.base.labels import label_set
from mfer_core.protocol.metrics import confusion, recalls, scores

CLASSES = label_set("four")


def corpus_of(clip_id: str) -> str:
    """The corpus that a clip's id begins with."""
    return clip_id.split("/", 1)[0]


def corpus_scores(predictions: pd.DataFrame) -> dict[str, dict]:
    """corpus, or "all" -> accuracy, uar, macro_f1, clips, and recall per class (None for a class without
    clips).

    ``predictions``: columns corpus, label and a probability per class.
    """
    result = {}
    for name, rows in [("all", predictions), *predictions.groupby("corpus")]:
        labels = pd.Categorical(rows.label, categories=CLASSES).codes.astype(int)
        matrix = confusion(labels, rows[list(CLASSES)].to_numpy().argmax(1), len(CLASSES))
        shares = dict(zip(CLASSES, recalls(matrix).tolist(), strict=True))
        recall = {label: None if pd.isna(value) else value for label, value in shares.items()}
        metrics = {key: float(value) for key, value in scores(matrix).items()}
        result[str(name)] = {"clips": len(rows), "recall": recall} | metrics
    return result
