"""Is one arm better than another on the same clips? Paired tests, one comparison per protocol named in
advance.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from mfer_core.evaluation.arms import pairs_of, title
from mfer_core.evaluation.benchmark import Benchmark, few_tested
from mfer_core.evaluation.summary import Counts, count
from mfer_core.evaluation.tables import ReportTable, p_value, points
from mfer_core.protocol.metrics import scores

CHUNK = 1000  # permutations at a time
PAIRS_NOTE = (
    "Two-sided. The primary comparison is fixed in the code, whatever the figures: the fused model against "
    "a linear probe on both encoders' embeddings (a single arm against its probe where there is no fused "
    "model). The others' accuracy p are corrected by Holm's method within their protocol. McNemar's test "
    "takes clips for independent and is too sure of itself. An arm that is standardised by speaker is "
    "compared with the probe and the baseline that are. An arm is tested by its mean over seeds: speaker by "
    "speaker, and in the last column by the share of seeds that are right on a clip (with one seed that is "
    "McNemar's test)."
)


def _differences(first: Counts, second: Counts, swaps: np.ndarray, metric: str) -> np.ndarray:
    """metric(first) - metric(second), "accuracy" or "uar", after exchanging the speakers marked in ``swaps``
    [P, G].

    Counts are means over seeds, so that arms of several seeds and of none compare. Accuracy and UAR of these
    are the means over seeds of accuracy and UAR, as each seed has the same clips.
    """
    keep = 1 - swaps
    one, other = first.confusion.mean(0), second.confusion.mean(0)
    a = np.tensordot(keep, one, 1) + np.tensordot(swaps, other, 1)
    b = np.tensordot(swaps, one, 1) + np.tensordot(keep, other, 1)
    return scores(a)[metric] - scores(b)[metric]


def permutation_p(
    first: Counts, second: Counts, metric: str, permutations: int, seed: int
) -> tuple[float, float]:
    """Difference of a metric and its two-sided p, exchanging whole speakers between the arms.

    All 2^S exchanges are tried where that is fewer than ``permutations``; else random ones, with the observed
    counted in.
    """
    size = len(first.groups)
    observed = float(_differences(first, second, np.zeros((1, size)), metric)[0])
    exact = 2**size <= permutations
    if exact:
        swaps = (np.arange(2**size)[:, None] >> np.arange(size)) & 1
    else:
        swaps = np.random.default_rng(seed).integers(2, size=(permutations, size))
    drawn = np.concatenate(
        [_differences(first, second, swaps[at : at + CHUNK], metric) for at in range(0, len(swaps), CHUNK)]
    )
    extreme = int((np.abs(drawn) >= abs(observed) - 1e-12).sum())
    return observed, extreme / len(drawn) if exact else (extreme + 1) / (len(drawn) + 1)


def mcnemar_p(first_hit: np.ndarray, second_hit: np.ndarray) -> float:
    """Exact McNemar test over clips (which it takes for independent; clips of one speaker are not).

    With shares of seeds that are right in place of hits it is the sign test on the clips whose shares differ.
    """
    first_better, second_better = int((first_hit > second_hit).sum()), int((second_hit > first_hit).sum())
    differing = first_better + second_better
    return float(binomtest(first_better, differing).pvalue) if differing else 1.0


def _right_shares(table: pd.DataFrame, classes: tuple[str, ...]) -> pd.Series:
    """(fold, clip_id) -> the share of the seeds that are right."""
    right = table[list(classes)].idxmax(axis=1) == table.label
    return right.groupby([table.fold, table.clip_id]).mean()


def compare(
    first: pd.DataFrame,
    second: pd.DataFrame,
    speaker_of: Callable | pd.Series,
    classes: tuple[str, ...],
    permutations: int,
    seed: int,
) -> dict:
    """Paired tests between two arms' predictions over the (fold, clip) pairs that both have.

    What is compared is each clip's mean over an arm's seeds.
    """
    index = ["fold", "clip_id"]
    shares = [_right_shares(table, classes) for table in (first, second)]
    common = shares[0].index.intersection(shares[1].index)
    tables = [
        table[table.set_index(index).index.isin(common)].reset_index(drop=True) for table in (first, second)
    ]
    speakers = [table.clip_id.map(speaker_of) for table in tables]
    first_counts, second_counts = (
        count(table, who, classes) for table, who in zip(tables, speakers, strict=True)
    )
    p = mcnemar_p(*(share.loc[common].to_numpy() for share in shares))
    result = {"clips": len(common), "speakers": int(speakers[0].nunique()), "mcnemar_p": p}
    for metric in ("accuracy", "uar"):
        difference, p = permutation_p(first_counts, second_counts, metric, permutations, seed)
        result |= {f"{metric}_difference": difference, f"{metric}_p": p}
    return result


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for their number (Holm 1979): each times how many are not smaller, never falling, at
    most 1.
    """
    order = np.argsort(p_values, kind="stable")
    raised = np.asarray(p_values)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(raised), 1)
    return corrected.tolist()


def pairs_table(
    predictions: pd.DataFrame, benchmark: Benchmark, normalised: list[str], permutations: int, seed: int
) -> ReportTable:
    """Per protocol: the primary comparison, then the others, corrected; differences are first minus second,
    in points.
    """
    rows, tested = [], {}
    for name, table in predictions.groupby("protocol", sort=False):
        arms = {str(arm): rows_of.reset_index(drop=True) for arm, rows_of in table.groupby("arm", sort=False)}
        pairs = pairs_of(arms, normalised)
        tests = [
            compare(
                arms[first], arms[second], benchmark.manifest.speaker, benchmark.classes, permutations, seed
            )
            for first, second in pairs
        ]
        others = iter(holm([test["accuracy_p"] for test in tests[1:]]))
        for number, ((first, second), test) in enumerate(zip(pairs, tests, strict=True)):
            rows.append(
                {
                    "protocol": benchmark.label(str(name)),
                    "comparison": "secondary" if number else "primary",
                    "first": title(first),
                    "second": title(second),
                    "accuracy difference, points": points(test["accuracy_difference"]),
                    "accuracy p (permutation by speaker)": p_value(test["accuracy_p"]),
                    "p corrected (Holm)": p_value(next(others)) if number else "-",
                    "uar difference, points": points(test["uar_difference"]),
                    "uar p (permutation by speaker)": p_value(test["uar_p"]),
                    "p (McNemar, by clip)": p_value(test["mcnemar_p"]),
                    "clips": test["clips"],
                    "speakers": test["speakers"],
                }
            )
        tested[str(name)] = int(benchmark.speaker_of(table.clip_id).nunique())
    note = f"{PAIRS_NOTE} {few_tested(tested)}".strip()
    return ReportTable("Paired tests between arms", pd.DataFrame(rows), note)
