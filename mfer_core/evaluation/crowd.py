"""The arms beside what a crowd said of the same clips: right by the label that was meant, and by the
crowd's.
"""

import pandas as pd

from mfer_core.base.modalities import MODALITIES
from mfer_core.dataset.crowd import crowd_column
from mfer_core.evaluation.arms import BASELINE, PROBES, title
from mfer_core.evaluation.benchmark import Benchmark
from mfer_core.evaluation.summary import summarise
from mfer_core.evaluation.tables import ReportTable, interval
from mfer_core.protocol.predictions import NO_SEED

NOTE = (
    "Clips on which most of the crowd, shown what the arm reads (picture, sound or both), agreed on one. By "
    "label: the emotion that was meant; the crowd's own accuracy by it is people's."
)
NO_VOTES = "The benchmark has no votes of a crowd (CREMA-D's are in processedResults/summaryTable.csv)."
METRICS = {"accuracy": "accuracy", "uar": "UAR"}


def crowd_table(predictions: pd.DataFrame, benchmark: Benchmark, resamples: int, seed: int) -> ReportTable:
    """Accuracy and UAR of every arm and of the crowd by the label that was meant, and of every arm by the
    crowd's; no rows where the corpus has no votes.
    """
    rows = []
    for (name, arm), table in predictions.groupby(["protocol", "arm"], sort=False):
        said = _said(benchmark, str(arm))
        known = table[table.clip_id.isin(said.index)].reset_index(drop=True)
        if known.empty:
            continue
        voted = known.clip_id.map(said)
        people = pd.DataFrame({label: (voted == label).astype(float) for label in benchmark.classes}).assign(
            label=known.label, fold=known.fold, seed=NO_SEED, clip_id=known.clip_id
        )
        scored = {
            "arm, by label": known,
            "arm, by crowd": known.assign(label=voted),
            "crowd, by label": people.drop_duplicates(["clip_id", "fold"]).reset_index(drop=True),
        }
        cells: dict[str, str] = {}
        for what, rows_of in scored.items():
            speakers = benchmark.speaker_of(rows_of.clip_id)
            scores = summarise(rows_of, speakers, benchmark.classes, resamples, seed)
            cells |= {f"{what}: {metric} %": interval(scores[key]) for key, metric in METRICS.items()}
        facts = {"protocol": benchmark.label(str(name)), "arm": title(str(arm))}
        rows.append(facts | {"clips": str(known.clip_id.nunique())} | cells)
    note = NOTE if rows else NO_VOTES
    return ReportTable("The label that was meant and the crowd's", pd.DataFrame(rows), note)


def _said(benchmark: Benchmark, arm: str) -> pd.Series:
    """clip_id -> the one class that most of the crowd named who were shown what the arm reads."""
    if arm == BASELINE:
        modalities: tuple[str, ...] = ("audio",)
    else:
        modalities = PROBES.get(arm, (arm,) if arm in MODALITIES else MODALITIES)
    votes = benchmark.manifest[crowd_column(modalities)].map(benchmark.labels.crowd_classes)
    return votes[votes.map(len) == 1].map(lambda names: names[0])
