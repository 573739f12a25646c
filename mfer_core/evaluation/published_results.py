"""Published figures, kept in one data file (published_results.json), and the table that puts ours beside them
where they compare.
"""

from pathlib import Path

import pandas as pd

from mfer_core.base.files import read_json
from mfer_core.base.modalities import ARMS
from mfer_core.evaluation.arms import SVM
from mfer_core.evaluation.benchmark import Benchmark
from mfer_core.evaluation.tables import ReportTable, percent
from mfer_core.protocol.protocols import protocol

FILE = Path(__file__).with_name("published_results.json")
# A corpus may lack this share of the published clips (ingest leaves out one exact duplicate of RAVDESS) and
# still be compared.
MISSING = 0.005
NOTE = (
    "Accuracy in %, UAR in brackets where a paper gives it. Ours: mean over folds ± sample deviation. The "
    "reference's ± is the population deviation (numpy's default): over five folds its 1.27 would read 1.42 "
    "here. Other papers do not say which they give. Nobody listed picks checkpoints on an inner split of "
    "the training speakers unless it says so."
)


def published() -> dict:
    """Sections benchmark and leakage by adapter; transfer, pretraining, corpora; figures in per cent."""
    return read_json(FILE)


def reference_cell(entry: dict, arm: str) -> str | None:
    """``mean ± deviation (UAR)`` of one published system's arm, None where it was not reported."""
    if entry.get(arm) is None:
        return None
    spread, uar = entry.get(f"{arm}_std"), entry.get(f"{arm}_uar")
    deviation = f" ± {spread:.2f}" if spread is not None else ""
    return f"{entry[arm]:.2f}{deviation}" + (f" (UAR {uar:.2f})" if uar is not None else "")


def why_not_beside(benchmark: Benchmark) -> str:
    """The reason why this run's figures do not compare with published ones; empty where they do."""
    known = published()["benchmark"].get(benchmark.adapter)
    if known is None:
        return f"no published figures are known for the benchmark {benchmark.name}"
    if benchmark.synthetic:
        return "this run's benchmark is synthetic"
    if benchmark.speakers != known["speakers"]:
        return f"this run has {benchmark.speakers} of {known['speakers']} speakers"
    if abs(benchmark.clips - known["clips"]) > MISSING * known["clips"]:
        return f"this run has {benchmark.clips} of {known['clips']} clips"
    if set(benchmark.classes) != set(known["classes"]):
        return f"this run has the classes {', '.join(benchmark.classes)}"
    return ""


def published_table(metrics: dict, encoders: dict[str, str], benchmark: Benchmark) -> ReportTable:
    """Systems published on the benchmark's corpus; ours above them where clips, speakers and classes are the
    same.
    """
    known = published()["benchmark"].get(benchmark.adapter)
    reason = why_not_beside(benchmark)
    rows = [] if reason else [_our_row(name, metrics[name], encoders, benchmark) for name in metrics]
    rows += [_published_row(entry) for entry in (known or {"systems": []})["systems"]]
    notes = [f"Ours are not beside them: {reason}."] if reason else []
    if known:
        classes = len(known["classes"])
        notes.append(
            f"{known['corpus']}, {known['clips']} clips of {known['speakers']} speakers, {classes} classes. "
            f"{NOTE}"
        )
    return ReportTable("Published results on the benchmark's corpus", pd.DataFrame(rows), " ".join(notes))


def _our_row(name: str, arms: dict, encoders: dict[str, str], benchmark: Benchmark) -> dict:
    used = dict.fromkeys(encoders[arm] for arm in ("audio", "visual") if arm in encoders)
    seen = dict.fromkeys(benchmark.labels_seen(arm) for arm in ARMS if arm in arms)
    return {
        "system": "this project",
        "protocol": benchmark.label(name),
        "encoder": ", ".join(used),
        **{arm: _our_cell(arms.get(arm)) for arm in ARMS},
        "baseline": _our_cell(arms.get(SVM[0])),
        "labels of the benchmark seen by the encoder": "; ".join(seen),
        "note": f"checkpoint: {protocol(name).checkpoint}",
    }


def _our_cell(stats: dict | None) -> str:
    if stats is None:
        return "-"
    accuracy = stats["accuracy"]
    return percent(accuracy["mean"], 2) + (
        "" if accuracy["std"] is None else f" ± {percent(accuracy['std'], 2)}"
    )


def _published_row(entry: dict) -> dict:
    name = entry["protocol"]
    return {
        "system": entry["system"],
        "protocol": protocol(name).label if name else "not stated",
        "encoder": entry["encoder"] or "-",
        **{arm: reference_cell(entry, arm) or "-" for arm in ARMS},
        "baseline": "-",
        "labels of the benchmark seen by the encoder": entry.get("seen", "not stated"),
        "note": entry["note"],
    }
