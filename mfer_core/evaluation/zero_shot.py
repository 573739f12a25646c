"""Zero-shot baselines: the encoders' own classifiers on the cached embeddings, trained on nothing of the benchmark by us.

The image encoder scores every frame, and a clip is the mean of its frames' probabilities; the speech encoder scores the
mean frame of a clip. Labels are matched by name (``labels.head_classes``). A class that the head does not know has no
probability (null, not 0), and clips of that class are not scored.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from mfer_core.base.labels import head_classes
from mfer_core.cache.embeddings import open_embeddings
from mfer_core.cache.heads import Head, read_head

ARMS = {"visual": "zero_shot_visual", "audio": "zero_shot_audio"}


def clip_probabilities(head: Head, modality: str, values: np.ndarray) -> np.ndarray:
    """float64 [L] of one clip's embeddings [T, D]."""
    if modality == "visual":
        return head.probabilities(values).mean(0)
    return head.probabilities(values.mean(0, keepdims=True))[0]


def by_class(labels: list[str], shares: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """float64 [N, C] of a head's probabilities [N, L] of ``labels``: those of names that are in ``classes``, made to sum to 1; else NaN."""
    names = head_classes(labels)
    result = np.full((len(shares), len(classes)), np.nan)
    for column, name in enumerate(classes):
        own = [number for number, found in enumerate(names) if found == name]
        if own:
            result[:, column] = shares[:, own].sum(1)
    return result / np.nansum(result, 1, keepdims=True)


def zero_shot_predictions(
    embed: Path, corpus: str, manifest: pd.DataFrame, folds: pd.DataFrame, classes: tuple[str, ...]
) -> pd.DataFrame:
    """Rows of the predictions contract for the test parts of all folds; none of an encoder without a head that knows two of ``classes``.

    ``embed`` is data/embed. Raises MferError when the embed stage has not run.
    """
    tables = [pd.DataFrame(columns=["clip_id", "protocol", "fold", "arm", "label", *classes])]
    test = folds[folds.part == "test"].merge(manifest[["clip_id", "label"]], on="clip_id")
    for modality, arm in ARMS.items():
        head = read_head(Path(embed) / modality / corpus)
        known = known_classes(head.labels, classes) if head else []
        if len(known) < 2:
            continue
        values = open_embeddings(Path(embed) / modality / corpus)
        clips = [clip for clip, steps in values.items() if len(steps)]
        shares = np.stack([clip_probabilities(head, modality, values[clip]) for clip in clips])
        found = by_class(head.labels, shares, classes).astype(np.float32)
        scored = pd.DataFrame(found, columns=list(classes)).assign(clip_id=clips, arm=arm)
        tables.append(test[test.label.isin(known)].merge(scored, on="clip_id"))
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)[
        tables[0].columns
    ]


def known_classes(labels: list[str], classes: tuple[str, ...]) -> list[str]:
    """What of ``classes`` a head with these labels knows."""
    return [name for name in classes if name in head_classes(labels)]


def zero_shot_note(embed: Path, corpus: str, classes: tuple[str, ...]) -> str:
    """Per encoder: what its head lacks, and what of it has no counterpart."""
    sentences = []
    for modality, arm in ARMS.items():
        if head := read_head(Path(embed) / modality / corpus):
            lacks = [name for name in classes if name not in known_classes(head.labels, classes)]
            extra = [
                label
                for label, name in zip(head.labels, head_classes(head.labels), strict=True)
                if name not in classes
            ]
            sentences.append(
                f"{arm} is the encoder's own classifier. Absent from it, and not scored: {', '.join(lacks) or 'nothing'}. "
                f"Without counterpart here: {', '.join(extra) or 'nothing'}."
            )
    return " ".join(sentences)
