"""The tables of results: every arm under every protocol, its calibration, its recalls, and in words where it
falls short.
"""

import pandas as pd

from mfer_core.base.modalities import ARMS
from mfer_core.evaluation.arms import BASELINE, ORDER, PROBE_OF, SVM, counterpart, title
from mfer_core.evaluation.benchmark import FREE_SPEECH, Benchmark, few_tested
from mfer_core.evaluation.tables import ABSENT, ReportTable, interval, loss, over_seeds, percent, spread
from mfer_core.protocol.protocols import protocol

Metrics = dict  # protocol -> arm -> metric -> statistics (metrics.json without its part "about")
SHARED_NOTE = (
    "A protocol marked leaky or same speakers was tested on people that were trained on, and must not be "
    "quoted as a result."
)
SPEAKER_NOTE = (
    "Standardised by speaker (no label, but all clips of a test speaker at once, and they must hold all "
    "emotions alike: see table `normalisation`)"
)


def results_table(
    metrics: Metrics,
    encoders: dict[str, str],
    benchmark: Benchmark,
    normalised: list[str],
    tested: dict[str, int],
) -> ReportTable:
    """Counterpart of the report's main table: accuracy, UAR and macro F1 of every arm under every protocol.

    ``tested``: protocol -> how many speakers are in its test parts.
    """
    rows = []
    for name, arms in metrics.items():
        for arm in (arm for arm in ORDER if arm in arms or arm in ARMS):
            statistics = arms.get(arm, {})
            cells = {
                "accuracy %, mean ± sd over folds [lowest-highest]": spread(statistics.get("accuracy")),
                "accuracy %, pooled (95 % CI by speaker)": interval(statistics.get("accuracy")),
                "UAR %, pooled (95 % CI)": interval(statistics.get("uar")),
                "macro F1 %, pooled (95 % CI)": interval(statistics.get("macro_f1")),
            }
            rows.append(
                {"protocol": benchmark.label(name), "arm": title(arm), **cells}
                | {
                    "encoder": encoders.get(arm, "-") if arm in arms else ABSENT,
                    "labels of the benchmark seen by the encoder": benchmark.labels_seen(arm),
                    "checkpoint picked on": "nothing is picked" if arm in SVM else protocol(name).checkpoint,
                }
            )
    notes = [SHARED_NOTE]
    if normalised:
        rivals = [arm for arm in ORDER if arm.endswith("_speaker")]
        notes.append(f"{SPEAKER_NOTE}: {', '.join([*normalised, *rivals])}.")
    notes += [few_tested(tested), FREE_SPEECH]
    paragraphs = [" ".join(filter(None, notes)), shortfalls(metrics, benchmark, normalised)]
    return ReportTable(
        "Results by protocol and arm", pd.DataFrame(rows), "\n\n".join(filter(None, paragraphs))
    )


def shortfalls(metrics: Metrics, benchmark: Benchmark, normalised: list[str]) -> str:
    """A line per protocol: the trained arms below their probe or the SVM, and a stage 3 below the untrained
    product.
    """
    lines = []
    for name, arms in metrics.items():
        gaps = []
        for arm in (arm for arm in ARMS if arm in arms):
            rivals = [counterpart(arm, rival, normalised) for rival in (PROBE_OF[arm], BASELINE)]
            rivals += ["late_product"] if arm == "fused" else []
            for rival in (rival for rival in rivals if rival in arms):
                behind = arms[rival]["accuracy"]["pooled"] - arms[arm]["accuracy"]["pooled"]
                if behind > 0:
                    hears = ", which hears and does not see" if (arm, rival) == ("visual", BASELINE) else ""
                    gaps.append(f"{arm} is {percent(behind)} points below {title(rival)}{hears}")
        lines += [f"- {benchmark.label(name)}: {', '.join(gaps)}."] if gaps else []
    return "Below what they should beat (pooled accuracy):\n\n" + "\n".join(lines) if lines else ""


def calibration_table(metrics: Metrics, benchmark: Benchmark) -> ReportTable:
    """The calibration of each arm's probabilities; an SVM's decision values are no probabilities and are left
    out.
    """
    rows = [
        {
            "protocol": benchmark.label(name),
            "arm": title(arm),
            "Brier score (95 % CI)": loss(arms[arm].get("brier")),
            "log loss, nats (95 % CI)": loss(arms[arm].get("log_loss")),
            "ECE %": percent(arms[arm]["ece"]["pooled"]) if "ece" in arms[arm] else "-",
        }
        for name, arms in metrics.items()
        for arm in ORDER
        if arm in arms
    ]
    note = (
        "Pooled over all predictions; lower is better; intervals by resampling speakers. The Brier score "
        "is summed over classes (0 to 2). The ECE is biased upwards (a calibrated model has one above 0 as "
        "well, the more so with few clips), so that an interval of it would mislead. Softmax "
        "outputs: the shares of an arm's parts were set on the inner split, and nothing was calibrated "
        "afterwards."
    )
    return ReportTable("Calibration", pd.DataFrame(rows), note)


def recall_table(
    recalls: dict[tuple[str, str], dict[str, list[float] | None]], benchmark: Benchmark
) -> ReportTable:
    """(protocol, arm) -> class -> recall by seed, as rows."""
    rows = [
        {
            "protocol": benchmark.label(name),
            "arm": title(arm),
            **{label: over_seeds(values) for label, values in row.items()},
        }
        for (name, arm), row in recalls.items()
    ]
    return ReportTable("Recall per class, %, pooled over folds", pd.DataFrame(rows))
