"""The encoders' own classifiers on the cached embeddings; this project has taught them nothing of the
benchmark.

How a head scores a clip: ``cache/heads.py``. A class that the head does not know has no probability (null,
not 0), and clips of that class are not scored.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from mfer_core.base.labels import head_classes
from mfer_core.base.paths import DataPaths
from mfer_core.cache.embeddings import open_embeddings
from mfer_core.cache.heads import by_class, known_classes, read_head
from mfer_core.evaluation.arms import BASELINE, PROBE_OF, title
from mfer_core.evaluation.benchmark import Benchmark
from mfer_core.evaluation.summary import summarise
from mfer_core.evaluation.tables import ReportTable, interval
from mfer_core.protocol.predictions import NO_SEED, predictions_schema

HEADS = {"visual": "zero_shot_visual", "audio": "zero_shot_audio"}
NOTE = (
    "All rows of a head are scored on the same clips, those of the classes that the head knows, and choose "
    "among these classes alone; so no figure here equals one of table `results`. A head whose encoder has "
    "seen the benchmark's labels is no zero-shot classifier."
)


def zero_shot_predictions(
    data: Path, corpus: str, manifest: pd.DataFrame, folds: pd.DataFrame, classes: tuple[str, ...]
) -> pd.DataFrame:
    """Rows of the predictions contract for the test parts of all folds; none of an encoder without a head
    that knows two of ``classes``.

    Raises MferError when the embed stage has not run.
    """
    tables = [pd.DataFrame(columns=predictions_schema(classes).names)]
    test = folds[folds.part == "test"].merge(manifest[["clip_id", "label"]], on="clip_id")
    for modality, arm in HEADS.items():
        head = read_head(DataPaths(data).embeddings(modality, corpus))
        if head is None or len(known := known_classes(head.labels, classes)) < 2:
            continue
        values = open_embeddings(DataPaths(data).embeddings(modality, corpus))
        clips = [clip for clip, steps in values.items() if len(steps)]
        shares = np.stack([head.of_clip(modality, values[clip]) for clip in clips])
        matched = by_class(head_classes(head.labels, classes), shares, classes).astype(np.float32)
        scored = pd.DataFrame(matched, columns=list(classes)).assign(clip_id=clips, arm=arm, seed=NO_SEED)
        tables.append(test[test.label.isin(known)].merge(scored, on="clip_id"))
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)[
        tables[0].columns
    ]


def zero_shot_table(
    predictions: pd.DataFrame, benchmark: Benchmark, resamples: int, seed: int
) -> tuple[ReportTable, dict]:
    """Each head beside the arms on the same clips, every one of them choosing among the classes that the head
    knows.

    Also as figures: protocol -> head -> clips, classes, and the accuracy and UAR of head and arms with their
    intervals.
    """
    rows = []
    figures: dict[str, dict[str, dict]] = {}
    for (name, head), head_rows in predictions[predictions.arm.isin(HEADS.values())].groupby(
        ["protocol", "arm"], sort=False
    ):
        known = [label for label in benchmark.classes if head_rows[label].notna().all()]
        same = predictions[(predictions.protocol == name) & predictions.clip_id.isin(set(head_rows.clip_id))]
        rivals = [arm for arm in _rivals(head) if (same.arm == arm).any()]
        common = set.intersection(*(set(same.clip_id[same.arm == arm]) for arm in (head, *rivals)))
        scored: dict[str, dict] = {}
        for arm in (head, *rivals):
            table = same[(same.arm == arm) & same.clip_id.isin(common)].reset_index(drop=True)
            table = table.assign(**dict.fromkeys(set(benchmark.classes) - set(known), 0.0))
            scores = summarise(table, benchmark.speaker_of(table.clip_id), benchmark.classes, resamples, seed)
            scored[arm] = {metric: scores[metric] for metric in ("accuracy", "uar")}
            rows.append(
                {
                    "protocol": benchmark.label(str(name)),
                    "arm": title(arm),
                    "clips": str(len(common)),
                    "classes": ", ".join(known),
                    "accuracy %, pooled (95 % CI)": interval(scores["accuracy"]),
                    "UAR %, pooled (95 % CI)": interval(scores["uar"]),
                    "labels of the benchmark seen by the encoder": benchmark.labels_seen(arm),
                }
            )
        facts = {"clips": len(common), "classes": known, "arms": scored}
        figures.setdefault(str(name), {})[str(head)] = facts
    return ReportTable("The encoders' own classifiers beside the arms", pd.DataFrame(rows), NOTE), figures


def _rivals(head: str) -> tuple[str, ...]:
    """The arms that read the same modality, and the baseline beside a speech encoder."""
    modality = next(name for name, arm in HEADS.items() if arm == head)
    rivals = (modality, PROBE_OF[modality], "fused")
    return (*rivals, BASELINE) if modality == "audio" else rivals


def head_gaps(data: Path, corpus: str, classes: tuple[str, ...]) -> str:
    """Per encoder: the classes that its head lacks, and its labels that have no counterpart."""
    sentences = []
    for modality, arm in HEADS.items():
        if head := read_head(DataPaths(data).embeddings(modality, corpus)):
            lacks = [name for name in classes if name not in known_classes(head.labels, classes)]
            extra = [
                label
                for label, name in zip(head.labels, head_classes(head.labels, classes), strict=True)
                if name not in classes
            ]
            sentences.append(
                f"{arm} lacks {', '.join(lacks) or 'nothing'}; without counterpart here: "
                f"{', '.join(extra) or 'nothing'}."
            )
    return " ".join(sentences)
