"""Accuracy by group of people and of clips: for whom, and on what, a model is worse."""

import pandas as pd

from mfer_core.base.modalities import ARMS
from mfer_core.evaluation.arms import title
from mfer_core.evaluation.benchmark import Benchmark
from mfer_core.evaluation.summary import summarise
from mfer_core.evaluation.tables import ReportTable, interval
from mfer_core.protocol.protocols import protocol

AGE = "age"
# Columns of the manifest; ages are grouped in bands.
GROUPINGS = ("sex", AGE, "race", "ethnicity", "language", "intensity", "statement")
AGE_BANDS = {"below 30": 0, "30 to 44": 30, "45 to 59": 45, "60 and over": 60}  # by the youngest, in years
NOTE = (
    "Pooled over folds; intervals by resampling the group's speakers. The worst group of each grouping is "
    "that of the lowest accuracy, whether or not the difference is more than chance. Clips whose group is "
    "not known are left out."
)


def group_of(manifest: pd.DataFrame, grouping: str) -> pd.Series:
    """The group of every clip of a manifest; missing where it is not known."""
    if grouping != AGE:
        return manifest[grouping]
    edges = [*AGE_BANDS.values(), float("inf")]
    return pd.cut(manifest[AGE].astype(float), edges, right=False, labels=list(AGE_BANDS)).astype(object)


def group_figures(predictions: pd.DataFrame, benchmark: Benchmark, resamples: int, seed: int) -> list[dict]:
    """A row per honest protocol, trained arm, grouping and group, where a grouping has two groups or more.

    protocol, arm, grouping, group, clips, speakers, accuracy and uar (statistics), worst (bool).
    """
    rows: list[dict] = []
    honest = predictions[
        predictions.protocol.map(lambda name: protocol(name).honest) & predictions.arm.isin(ARMS)
    ]
    for (name, arm), table in honest.groupby(["protocol", "arm"], sort=False):
        for grouping in GROUPINGS:
            groups = table.clip_id.map(group_of(benchmark.manifest, grouping))
            if groups.nunique() < 2:
                continue
            group_rows = []
            for group in sorted(groups.dropna().unique()):
                members = table[groups == group].reset_index(drop=True)
                speakers = benchmark.speaker_of(members.clip_id)
                scores = summarise(members, speakers, benchmark.classes, resamples, seed)
                facts = {"protocol": name, "arm": arm, "grouping": grouping, "group": group}
                sizes = {"clips": int(members.clip_id.nunique()), "speakers": int(speakers.nunique())}
                group_rows.append(facts | sizes | {key: scores[key] for key in ("accuracy", "uar")})
            lowest = min(row["accuracy"]["pooled"] for row in group_rows)
            rows += [row | {"worst": row["accuracy"]["pooled"] == lowest} for row in group_rows]
    return rows


def worst_groups(figures: list[dict], name: str, arm: str) -> str:
    """The group of lowest accuracy of each grouping under a protocol, with its figure and interval in per
    cent; empty without groups.
    """
    return "; ".join(
        f"{row['grouping']} {row['group']} {interval(row['accuracy'])}"
        for row in figures
        if row["worst"] and row["arm"] == arm and row["protocol"] == name
    )


def groups_table(figures: list[dict], benchmark: Benchmark) -> ReportTable:
    """The table of group figures."""
    rows = [
        {
            "protocol": benchmark.label(row["protocol"]),
            "arm": title(row["arm"]),
            "group": f"{row['grouping']}: {row['group']}",
            "clips": str(row["clips"]),
            "speakers": str(row["speakers"]),
            "accuracy % (95 % CI)": interval(row["accuracy"]),
            "UAR % (95 % CI)": interval(row["uar"]),
            "worst": "worst" if row["worst"] else "",
        }
        for row in figures
    ]
    empty = "" if rows else "No grouping of the benchmark has two groups, or no protocol holds speakers out. "
    return ReportTable("Accuracy by group", pd.DataFrame(rows), f"{empty}{NOTE}")
