"""The leakage gap: the accuracy that a random split adds by peeking at the test fold and by people in both
parts.
"""

import numpy as np
import pandas as pd

from mfer_core.evaluation.arms import ORDER, title
from mfer_core.evaluation.benchmark import Benchmark
from mfer_core.evaluation.published_results import published
from mfer_core.evaluation.summary import FEWEST_SPEAKERS, NO_INTERVAL, count, percentiles, speaker_weights
from mfer_core.evaluation.tables import ReportTable, percent, points
from mfer_core.protocol.protocols import protocol

# Both have the reference's folds; the epoch is chosen on the test fold (peeking) or on an inner split.
PEEKING, INNER = "report5", "report5-inner"
NOTE = (
    "Pooled accuracy on the clips that all protocols of a row test; 95 % intervals by resampling speakers. "
    f"Peeking: {PEEKING} picks its epoch on the fold that it reports, {INNER} on an inner split of the same "
    "training clips, on which it is then trained anew. People: the same rule with new speakers in the test "
    "part."
)


def accuracy_difference(
    first: pd.DataFrame, second: pd.DataFrame, benchmark: Benchmark, weights_of: tuple[int, int]
) -> dict:
    """Pooled accuracy of an arm under two protocols, its difference and the interval of that.

    ``weights_of``: resamples and seed. Speakers are resampled for both at once, on the clips that both test.
    Figures are means over seeds; ``seed_std`` is the deviation of the difference over them, seed by seed.
    """
    common = set(first.clip_id) & set(second.clip_id)
    tables = [table[table.clip_id.isin(common)].reset_index(drop=True) for table in (first, second)]
    speakers = [benchmark.speaker_of(table.clip_id) for table in tables]
    names = tuple(sorted(set(speakers[0])))
    counts = [
        count(table, who, benchmark.classes, names) for table, who in zip(tables, speakers, strict=True)
    ]
    weights = np.concatenate([np.ones((1, len(names))), speaker_weights(len(names), *weights_of)])
    values = [each.by_seed(weights)["accuracy"] for each in counts]  # [1 + resamples, S]
    by_seed = values[0] - values[1]
    difference = by_seed.mean(1)
    return {
        "first": float(values[0][0].mean()),
        "second": float(values[1][0].mean()),
        "difference": float(difference[0]),
        "seed_std": float(by_seed[0].std(ddof=1)) if by_seed.shape[1] > 1 else None,
        "ci95": percentiles(difference[1:]) if len(names) >= FEWEST_SPEAKERS else None,
    }


def _cell(difference: dict | None) -> str:
    if difference is None:
        return "-"
    deviation = difference["seed_std"]
    seeds = "" if deviation is None else f", seeds ± {percent(deviation)}"
    if difference["ci95"] is None:
        return f"{points(difference['difference'])} ({NO_INTERVAL}){seeds}"
    low, high = difference["ci95"]
    return f"{points(difference['difference'])} ({points(low)} to {points(high)}){seeds}"


def leakage_table(
    predictions: pd.DataFrame, benchmark: Benchmark, weights_of: tuple[int, int]
) -> ReportTable:
    """Per honest protocol and arm: the gap to the leaky one, and its two parts where ``report5-inner`` is
    among the protocols.
    """
    tables = dict(iter(predictions.groupby(["protocol", "arm"], sort=False)))
    honest = [name for name in predictions.protocol.unique() if protocol(name).honest]
    rows = []
    for name in honest:
        for arm in ORDER:
            trio = [tables.get((rule, arm)) for rule in (PEEKING, INNER, name)]
            gap, peeking, people = (
                None
                if trio[a] is None or trio[b] is None
                else accuracy_difference(trio[a], trio[b], benchmark, weights_of)
                for a, b in ((0, 2), (0, 1), (1, 2))
            )
            compared = gap or people
            if compared is None:
                continue
            cells = {
                f"{PEEKING} (leaky) %": percent(gap["first"] if gap else None),
                f"{INNER} (leaky) %": percent(people["first"] if people else None),
                "honest %": percent(compared["second"]),
            }
            rows.append(
                {"arm": title(arm), "honest protocol": benchmark.label(name)}
                | cells
                | {
                    "gap, points (95 % CI)": _cell(gap),
                    "of it peeking": _cell(peeking),
                    "of it people": _cell(people),
                }
            )
    missing = "" if rows else f"No gap: add {PEEKING}, {INNER} and an honest protocol to folds.protocols. "
    return ReportTable("The leakage gap", pd.DataFrame(rows), f"{missing}{NOTE}")


def published_leakage_table(adapter: str) -> ReportTable:
    """Gaps that others measured on the same corpus, and on which clips."""
    rows = [
        {
            "measured by": entry["source"],
            "random clips %": f"{entry['random']}",
            "speakers held out %": f"{entry['honest']}",
            "gap, points": f"{entry['random'] - entry['honest']:+.1f}",
        }
        for entry in published()["leakage"].get(adapter, [])
    ]
    note = (
        "Other systems on the corpus as published, with clips and splits of their own: not beside this "
        "project's figures."
    )
    return ReportTable("The leakage gap as others measured it", pd.DataFrame(rows), note)
