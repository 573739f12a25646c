"""Tables of stage 2a: per corpus and class, and across corpora."""

from collections.abc import Mapping

import pandas as pd

from mfer_core.base.labels import label_set
from mfer_core.protocol.metrics import SCORES, confusion, recalls, scores

CLASSES = label_set("four")


def corpus_of(clip_id: str) -> str:
    return clip_id.split("/", 1)[0]


def corpus_table(predictions: pd.DataFrame) -> dict[str, dict]:
    """corpus -> accuracy, uar, macro_f1, clips, and recall per class (None where a class does not occur)."""
    result = {}
    for name, rows in [("all", predictions), *predictions.groupby("corpus")]:
        labels = pd.Categorical(rows.label, categories=CLASSES).codes.astype(int)
        matrix = confusion(labels, rows[list(CLASSES)].to_numpy().argmax(1), len(CLASSES))
        recall = {
            label: None if value != value else float(value)
            for label, value in zip(CLASSES, recalls(matrix), strict=True)
        }
        result[str(name)] = {"clips": len(rows), "recall": recall} | {
            key: float(value) for key, value in scores(matrix).items()
        }
    return result


def markdown_table(metrics: dict[str, dict]) -> str:
    """Per corpus: clips, scores and recall per class, in per cent."""
    lines = [
        "| corpus | clips | " + " | ".join((*SCORES, *CLASSES)) + " |",
        "|---" * (2 + len(SCORES) + len(CLASSES)) + "|",
    ]
    for corpus, row in metrics.items():
        values = [row[name] for name in SCORES] + [row["recall"][name] for name in CLASSES]
        lines.append(
            f"| {corpus} | {row['clips']} | "
            + " | ".join("-" if value is None else f"{100 * value:.1f}" for value in values)
            + " |"
        )
    return (
        "Test part, speakers unseen; accuracy, UAR, macro F1 and recall per class in %.\n\n"
        + "\n".join(lines)
        + "\n"
    )


def matrix_markdown(matrix: Mapping[str, Mapping[str, float]]) -> str:
    """The cross-corpus matrix (UAR, per cent); the corpus that training left out is in bold."""
    corpora = list(matrix)
    lines = [
        "| training left out | " + " | ".join(f"tested on {name}" for name in corpora) + " |",
        "|---" * (1 + len(corpora)) + "|",
    ]
    for left_out, row in matrix.items():
        cells = [
            f"**{100 * row[name]:.1f}**" if name == left_out else f"{100 * row[name]:.1f}" for name in corpora
        ]
        lines.append(f"| {left_out} | " + " | ".join(cells) + " |")
    return (
        "UAR in %, speakers unseen. In bold: a corpus of which nothing was trained on.\n\n"
        + "\n".join(lines)
        + "\n"
    )
