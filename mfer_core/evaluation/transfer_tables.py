"""Frames behind the tables of stage transfer."""

import pandas as pd

from mfer_core.base.modalities import ARMS, MODALITIES
from mfer_core.evaluation.pairs import compare, holm
from mfer_core.evaluation.published_results import published
from mfer_core.evaluation.summary import NO_INTERVAL
from mfer_core.evaluation.tables import ABSENT, ReportTable, interval, p_value, percent, points, spread
from mfer_core.evaluation.target_features import NORMALISATIONS
from mfer_core.protocol.predictions import classes_of
from mfer_core.protocol.protocols import protocol

AS_TRAINED = "zero-shot, none normalisation"
COLUMNS = (*ARMS, "robust")
TITLES = {"robust": "fused, robust"}
SCORES = {"accuracy": "accuracy %", "uar": "UAR %", "macro_f1": "macro F1 %"}
PAIRS = (
    ("fused", "audio"),
    ("fused", "visual"),
    ("robust", "fused"),
    ("robust", "audio"),
    ("robust", "visual"),
)


def _accuracy(arms: dict, arm: str, setting: str) -> str:
    metrics = arms.get(arm, {}).get(setting)
    if metrics is None:
        return ABSENT
    stats = metrics["accuracy"]
    if "pooled" not in stats:  # Only scores on the transfer corpus are pooled.
        return spread(stats)
    seeds = "" if stats["seed_std"] is None else f", seeds ± {percent(stats['seed_std'])}"
    low, high = stats.get("ci95", (None, None))
    bounds = NO_INTERVAL if low is None else f"{percent(low)}-{percent(high)}"
    return f"{spread(stats)} ({bounds}){seeds}"


def _by_setting(metrics: dict, columns: dict[str, str]) -> list[dict]:
    """Rows protocol x arm; ``columns``: title -> setting."""
    return [
        {
            "protocol": protocol(name).label,
            "arm": TITLES.get(arm, arm),
            **{title: _accuracy(arms, arm, setting) for title, setting in columns.items()},
        }
        for name, arms in metrics.items()
        for arm in COLUMNS
    ]


def scores_table(metrics: dict) -> pd.DataFrame:
    """Accuracy, UAR and macro F1 of every arm as trained, each with its interval."""
    return pd.DataFrame(
        [
            {
                "protocol": protocol(name).label,
                "arm": TITLES.get(arm, arm),
                **{
                    title: interval(arms.get(arm, {}).get(AS_TRAINED, {}).get(metric))
                    for metric, title in SCORES.items()
                },
            }
            for name, arms in metrics.items()
            for arm in COLUMNS
        ]
    )


def shots_table(metrics: dict, shots: list[int], normalisation: str, beside_published: bool) -> pd.DataFrame:
    """Zero-shot as the models come, then normalised and after k clips per class; last, where the corpus is
    like the reference's, what that published.
    """
    columns = {"zero-shot, as trained": AS_TRAINED}
    if normalisation != "none":
        columns[f"zero-shot, normalised per {normalisation}"] = f"zero-shot, {normalisation} normalisation"
    columns |= {f"{count} clip{'s' * (count > 1)} per class": f"{count}-shot" for count in shots if count}
    rows = _by_setting(metrics, columns)
    reference = published()["transfer"]
    for arm in ARMS if beside_published else ():
        numbers = {name: value / 100 for name, value in reference[arm].items()}
        rows.append({"protocol": "published*", "arm": arm, "zero-shot, as trained": spread(numbers)})
    return pd.DataFrame(rows).fillna("-")


def _margins(arms: dict, arm: str, normalisation: str) -> list[float]:
    """A fused decision's accuracy minus the better single arm's, fold by fold; nothing where one of them is
    absent.
    """
    setting = f"zero-shot, {normalisation} normalisation"
    if any(setting not in arms.get(name, {}) for name in (*MODALITIES, arm)):
        return []
    folds = {name: arms[name][setting]["accuracy"]["folds"] for name in (*MODALITIES, arm)}
    return [fused - max(single) for *single, fused in zip(*folds.values(), strict=True)]


def target_note(metrics: dict) -> str:
    """One line per protocol and fused decision: in how many folds it is at least as good as the better single
    arm.
    """
    lines = []
    for name, arms in metrics.items():
        for arm in ("fused", "robust"):
            margins = {normalisation: _margins(arms, arm, normalisation) for normalisation in NORMALISATIONS}
            told = [
                f"{sum(margin >= 0 for margin in values)} of {len(values)} folds with {normalisation} "
                f"normalisation (worst {100 * min(values):+.1f})"
                for normalisation, values in margins.items()
                if values
            ]
            if told:
                lines.append(f"- {protocol(name).label}, {TITLES.get(arm, arm)}: {', '.join(told)}.")
    head = (
        "At least as good as the better single arm, which is known only afterwards. The folds' models "
        "answer on the same clips, so that their number is no number of tests; see table `pairs`:"
    )
    return head + "\n\n" + "\n".join(lines) if lines else ""


def normalisation_table(metrics: dict) -> pd.DataFrame:
    return pd.DataFrame(
        _by_setting(
            metrics,
            {normalisation: f"zero-shot, {normalisation} normalisation" for normalisation in NORMALISATIONS},
        )
    )


def source_table(metrics: dict) -> pd.DataFrame:
    return pd.DataFrame(
        _by_setting(
            metrics,
            {
                normalisation: f"source test part, {normalisation} normalisation"
                for normalisation in NORMALISATIONS
            },
        )
    )


def folds_table(metrics: dict) -> pd.DataFrame:
    """Fold by fold and normalisation: is a fused decision at least as good as the better single arm?"""
    rows = []
    for name, arms in metrics.items():
        for normalisation in NORMALISATIONS:
            accuracies = {
                arm: arms[arm][f"zero-shot, {normalisation} normalisation"]["accuracy"]["folds"]
                for arm in COLUMNS
                if f"zero-shot, {normalisation} normalisation" in arms.get(arm, {})
            }
            for fold, values in enumerate(zip(*accuracies.values(), strict=True)):
                accuracy = dict(zip(accuracies, values, strict=True))
                best = max(accuracy.get(arm, 0.0) for arm in MODALITIES)
                margins = {
                    f"{TITLES.get(arm, arm)} - best": f"{100 * (accuracy[arm] - best):+.1f}"
                    for arm in ("fused", "robust")
                    if arm in accuracy
                }
                cells = {TITLES.get(arm, arm): percent(value) for arm, value in accuracy.items()}
                rows.append(
                    {
                        "protocol": protocol(name).label,
                        "normalisation": normalisation,
                        "fold": str(fold),
                        **cells,
                        **margins,
                    }
                )
    return pd.DataFrame(rows).fillna("-")


def collapse_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Per arm and true class: recall, the class most often taken for it, and how often the class is predicted
    at all.
    """
    rows = []
    names = list(classes_of(predictions))
    decided = predictions.assign(
        predicted=predictions[names].idxmax(axis=1), confidence=predictions[names].max(axis=1)
    )
    for (name, arm), table in decided.groupby(["protocol", "arm"], sort=False):
        for label in names:
            clips = table[table.label == label]
            if clips.empty:
                continue
            wrong = clips.predicted[clips.predicted != label].value_counts()
            taken = f"{wrong.index[0]} ({percent(wrong.iloc[0] / len(clips), 0)} %)" if len(wrong) else "-"
            cells = {
                "recall %": percent((clips.predicted == label).mean()),
                "mostly taken for": taken,
                "predicted %": percent((table.predicted == label).mean()),
            }
            rows.append(
                {
                    "protocol": protocol(name).label,
                    "arm": TITLES.get(arm, arm),
                    "emotion": label,
                    **cells,
                    "mean confidence %": percent(clips.confidence.mean()),
                }
            )
    return pd.DataFrame(rows)


def shift_table(moved: pd.DataFrame, metrics: dict) -> pd.DataFrame:
    """Per single arm: distance and spread of the embeddings, accuracy guessed without labels, true accuracy,
    calibration error.
    """
    rows = []
    for (name, arm), table in moved.groupby(["protocol", "arm"], sort=False):
        scores = metrics[name][arm]["zero-shot, none normalisation"]
        cells = {
            "mean shift": f"{table.mean_shift.mean():.2f}",
            "spread ratio": f"{table.spread_ratio.mean():.2f}",
        }
        cells |= {
            "accuracy % guessed without labels": percent(table.estimated_accuracy.mean()),
            "accuracy %": percent(scores["accuracy"]["mean"]),
        }
        rows.append(
            {"protocol": protocol(name).label, "arm": arm, **cells, "ECE %": percent(scores["ece"]["mean"])}
        )
    return pd.DataFrame(rows)


def pairs_table(predictions: pd.DataFrame, permutations: int, seed: int) -> ReportTable:
    """Is the fused decision better than each single arm on the transfer corpus? Paired tests, whole speakers
    exchanged.
    """
    rows = []
    speakers = predictions.drop_duplicates("clip_id").set_index("clip_id").speaker
    classes = classes_of(predictions)
    for name, table in predictions.groupby("protocol", sort=False):
        arms = {str(arm): rows_of.reset_index(drop=True) for arm, rows_of in table.groupby("arm", sort=False)}
        pairs = [pair for pair in PAIRS if set(pair) <= set(arms)]
        tests = [
            compare(arms[first], arms[second], speakers, classes, permutations, seed)
            for first, second in pairs
        ]
        corrected = holm([test["accuracy_p"] for test in tests])
        for (first, second), test, p in zip(pairs, tests, corrected, strict=True):
            rows.append(
                {
                    "protocol": protocol(str(name)).label,
                    "first": TITLES.get(first, first),
                    "second": TITLES.get(second, second),
                    "accuracy difference, points": points(test["accuracy_difference"]),
                    "accuracy p (permutation by speaker)": p_value(test["accuracy_p"]),
                    "p corrected (Holm)": p_value(p),
                }
            )
    count = speakers.nunique()
    note = (
        f"Zero-shot, as trained; all folds' decisions, whole speakers exchanged: with {count} speakers no p "
        f"below {2 / 2**count:.3g} exists."
    )
    return ReportTable("Paired tests on the transfer corpus", pd.DataFrame(rows), note)
