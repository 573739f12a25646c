"""The frames behind the tables of results: ours beside the published figures, leakage, recalls, paired tests."""

from collections.abc import Iterable
from itertools import combinations

import pandas as pd

from mfer_core.evaluation.published import published, reference_cell
from mfer_core.evaluation.tables import ABSENT, interval, p_value, percent, spread
from mfer_core.protocol.protocols import protocol

ARMS = ("visual", "audio", "fused", "baseline")
# Beside them where there is cause: the baseline normalised by speaker as an arm is, and encoders that have a head of their own.
MORE = ("baseline_speaker", "zero_shot_visual", "zero_shot_audio")
Metrics = dict  # protocol -> arm -> metric -> statistics (metrics.json)


def results_table(metrics: Metrics, encoders: dict[str, str]) -> pd.DataFrame:
    """Counterpart of the report's main table: accuracy by arm and protocol, and the other metrics."""
    rows = []
    for name, arms in metrics.items():
        for arm in (*ARMS, *(arm for arm in MORE if arm in arms)):
            found = arms.get(arm, {})
            cells = {
                "accuracy % over folds": spread(found.get("accuracy")),
                "accuracy % pooled (95 % CI by speaker)": interval(found.get("accuracy")),
            }
            cells |= {
                "UAR %": interval(found.get("uar")),
                "macro F1 %": interval(found.get("macro_f1")),
                "ECE %": interval(found.get("ece")),
            }
            rows.append(
                {
                    "protocol": protocol(name).label,
                    "checkpoint picked on": protocol(name).checkpoint,
                    "arm": arm,
                    **cells,
                    "encoder": encoders.get(arm, ABSENT),
                }
            )
    return pd.DataFrame(rows)


def comparison_table(metrics: Metrics, encoders: dict[str, str]) -> pd.DataFrame:
    """Ours beside the published systems, each with its protocol and encoder (accuracy, per cent)."""
    ours = ", ".join(dict.fromkeys(encoders[arm] for arm in ("audio", "visual") if arm in encoders))
    rows = []
    for name, arms in metrics.items():
        cells = {
            arm: f"{percent(arms[arm]['accuracy']['mean'], 2)} ± {percent(arms[arm]['accuracy']['std'], 2)}"
            if arm in arms
            else "-"
            for arm in ARMS
        }
        note = f"checkpoint: {protocol(name).checkpoint}"
        rows.append(
            {
                "system": "this project",
                "protocol": protocol(name).label,
                "encoder": ours,
                **cells,
                "note": note,
            }
        )
    for entry in published()["benchmark"]:
        cells = {arm: reference_cell(entry, arm) or "-" for arm in ARMS}
        rule = (
            f"{entry['protocol']} (leaky)"
            if entry["protocol"] == "report5"
            else entry["protocol"] or "not stated"
        )
        rows.append(
            {
                "system": entry["system"],
                "protocol": rule,
                "encoder": entry["encoder"] or "-",
                **cells,
                "note": entry["note"],
            }
        )
    return pd.DataFrame(rows)


def leakage_table(metrics: Metrics) -> pd.DataFrame:
    """The same models under a leaky and an honest protocol: accuracy and the gap, in points; then published gaps."""
    leaky = [name for name in metrics if not protocol(name).honest]
    honest = [name for name in metrics if protocol(name).honest]
    rows = []
    for arm in ARMS:
        for first in leaky:
            for second in honest:
                pair = [metrics[name].get(arm) for name in (first, second)]
                rows.append({"model": arm, "leaky protocol": first, "honest protocol": second, **_gap(*pair)})
    for entry in published()["leakage"]:
        gap = {
            "leaky accuracy %": f"{entry['random']}",
            "honest accuracy %": f"{entry['honest']}",
            "gap, points": f"{entry['random'] - entry['honest']:.1f}",
        }
        rows.append(
            {
                "model": f"published: {entry['source']}",
                "leaky protocol": "random clips",
                "honest protocol": "speakers held out",
                **gap,
            }
        )
    return pd.DataFrame(rows).fillna("-")


def _gap(leaky: dict | None, honest: dict | None) -> dict[str, str]:
    values = [None if arm is None else arm["accuracy"]["mean"] for arm in (leaky, honest)]
    difference = ABSENT if None in values else f"{100 * (values[0] - values[1]):+.1f}"
    cells = {
        name: ABSENT if value is None else percent(value)
        for name, value in zip(("leaky accuracy %", "honest accuracy %"), values, strict=True)
    }
    return cells | {"gap, points": difference}


def recall_table(recalls: dict[tuple[str, str], dict[str, float | None]]) -> pd.DataFrame:
    """(protocol, arm) -> class -> recall, as rows."""
    rows = [
        {
            "protocol": protocol(name).label,
            "arm": arm,
            **{label: percent(value) for label, value in row.items()},
        }
        for (name, arm), row in recalls.items()
    ]
    return pd.DataFrame(rows)


def pairs_of(arms: Iterable[str]) -> list[tuple[str, str]]:
    """Which arms are compared: every pair, the stronger candidate first."""
    order = [arm for arm in ("fused", "audio", "visual", "baseline") if arm in set(arms)]
    return list(combinations(order, 2))


def pairs_table(tests: dict[tuple[str, str, str], dict]) -> pd.DataFrame:
    """(protocol, first arm, second arm) -> paired test, as rows; differences are first minus second, in points."""
    rows = []
    for (name, first, second), test in tests.items():
        cells = {
            f"{metric} difference, points": f"{100 * test[f'{metric}_difference']:+.1f}"
            for metric in ("accuracy", "uar")
        }
        cells |= {
            f"{metric} p (permutation by speaker)": p_value(test[f"{metric}_p"])
            for metric in ("accuracy", "uar")
        }
        facts = {
            "clips": test["clips"],
            "speakers": test["speakers"],
            "p (McNemar, by clip)": p_value(test["mcnemar_p"]),
        }
        rows.append({"protocol": protocol(name).label, "first": first, "second": second, **cells, **facts})
    return pd.DataFrame(rows)
