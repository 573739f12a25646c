"""Metrics against scikit-learn, and the statistics on top of them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from mfer_core.evaluation.pairs import compare, holm, mcnemar_p
from mfer_core.evaluation.summary import class_recalls, summarise
from mfer_core.evaluation.tables import interval, spread
from mfer_core.protocol.metrics import (
    calibration,
    calibration_error,
    confusion,
    losses,
    recalls,
    scores,
)

NAMES = ("a", "b", "c", "d")
pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(pairs)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_scores_agree_with_scikit_learn(rows):
    labels, predicted = np.array(rows).T
    summary = scores(confusion(labels, predicted, 4))
    assert summary["accuracy"] == pytest.approx(reference.accuracy_score(labels, predicted))
    assert summary["uar"] == pytest.approx(reference.balanced_accuracy_score(labels, predicted))
    assert summary["macro_f1"] == pytest.approx(
        reference.f1_score(labels, predicted, average="macro", zero_division=0)
    )


@settings(max_examples=30, deadline=None)
@given(pairs)
def test_confusions_add_up_and_uar_is_the_mean_recall_of_what_occurs(rows):
    labels, predicted = np.array(rows).T
    matrix = confusion(labels, predicted, 4)
    assert matrix.sum() == len(rows)
    assert np.isnan(recalls(matrix)).tolist() == [label not in labels for label in range(4)]
    stacked = scores(np.stack([matrix, 2 * matrix]))
    assert stacked["uar"][0] == pytest.approx(np.nanmean(recalls(matrix))) == stacked["uar"][1]


def test_calibration_error_is_the_mean_distance_of_confidence_and_accuracy():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.3, 0.7]])
    sums = calibration(probabilities, np.array([0, 1, 1, 1]))
    assert calibration_error(sums) == pytest.approx(0.5 * 0.4 + 0.5 * 0.3)


def test_brier_score_and_log_loss_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet(np.ones(4), 50), rng.integers(4, size=50)
    brier, log_loss = losses(probabilities, labels).mean(0)
    assert log_loss == pytest.approx(reference.log_loss(labels, probabilities, labels=range(4)))
    by_class = [reference.brier_score_loss(labels == name, probabilities[:, name]) for name in range(4)]
    assert brier == pytest.approx(sum(by_class))
    assert np.isfinite(losses(np.eye(4), np.array([1, 1, 1, 1]))).all()


def test_the_truth_of_a_calibrated_model_lies_in_the_intervals_of_brier_score_and_log_loss():
    rng = np.random.default_rng(1)
    inside = {"brier": 0, "log_loss": 0}
    for _ in range(60):
        probabilities = rng.dirichlet(np.full(4, 0.7), 24 * 16)
        labels = np.array([rng.choice(4, p=share) for share in probabilities])
        table = pd.DataFrame(probabilities, columns=list(NAMES)).assign(
            label=np.array(NAMES)[labels], fold=0, seed=0
        )
        summary = summarise(table, pd.Series(np.repeat(np.arange(24), 16)), NAMES, 200, 0)
        assert "ci95" not in summary["ece"]
        truth = {
            "brier": (1 - (probabilities**2).sum(1)).mean(),
            "log_loss": -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(1).mean(),
        }
        for name, value in truth.items():
            low, high = summary[name]["ci95"]
            inside[name] += low <= value <= high
    assert min(inside.values()) >= 50, "of 60 intervals at 95 %"


def test_holm_is_the_textbooks_and_leaves_one_p_alone():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.04]) == [0.04] and holm([]) == []
    assert holm([0.9, 0.8]) == [1, 1]


def predictions(hits: dict[str, list[int]], fold=0, seed=0):
    """speaker -> list of hits, as a predictions table whose clip ids start with the speaker."""
    rows = []
    for speaker, values in hits.items():
        for number, hit in enumerate(values):
            label = NAMES[number % 4]
            predicted = label if hit else NAMES[(number + 1) % 4]
            rows.append(
                {
                    "clip_id": f"{speaker}/{number}",
                    "fold": fold,
                    "seed": seed,
                    "label": label,
                    **{name: float(name == predicted) for name in NAMES},
                }
            )
    return pd.DataFrame(rows)


def speaker_of(clip_id):
    return clip_id.split("/")[0]


def test_a_summary_keeps_fold_spread_and_pooled_value_apart():
    table = pd.concat(
        [predictions({"s1": [1] * 8}, 0), predictions({"s2": [1, 0] * 12}, 1)], ignore_index=True
    )
    summary = summarise(table, table.clip_id.map(speaker_of), NAMES, 200, 0)["accuracy"]
    assert summary["folds"] == [1.0, 0.5] and summary["mean"] == 0.75 and summary["min"] == 0.5
    assert summary["std"] == pytest.approx(np.std([1, 0.5], ddof=1))
    assert summary["pooled"] == pytest.approx(20 / 32)


def test_one_fold_has_no_spread():
    summary = summarise(predictions({"s1": [1, 0] * 4}), pd.Series(["s1"] * 8), NAMES, 100, 0)["accuracy"]
    assert summary["std"] is None and spread(summary) == "50.0 (one fold)"


@pytest.mark.parametrize("speakers", [1, 2, 4])
def test_few_speakers_give_no_interval(speakers):
    """Two can be drawn in three ways: an interval of 95 % would be a range of three numbers."""
    table = predictions({f"s{number}": [1, 0] * 4 for number in range(speakers)})
    summary = summarise(table, table.clip_id.map(speaker_of), NAMES, 100, 0)
    assert not any("ci95" in stats for stats in summary.values())
    assert interval(summary["accuracy"]) == "50.0 (fewer than 5 speakers)"


def test_the_interval_is_as_wide_as_the_speakers_differ():
    alike = predictions({f"s{i}": [1, 0] * 8 for i in range(8)})
    unlike = predictions({f"s{i}": [i % 2] * 16 for i in range(8)})
    width = []
    for table in (alike, unlike):
        low, high = summarise(table, table.clip_id.map(speaker_of), NAMES, 500, 0)["accuracy"]["ci95"]
        width.append(high - low)
    assert width[0] == 0 and width[1] > 0.4


def test_recall_of_a_class_that_does_not_occur_is_unknown_not_zero():
    assert class_recalls(predictions({"s1": [1, 1, 0]}), NAMES) == {
        "a": [1.0],
        "b": [1.0],
        "c": [0.0],
        "d": None,
    }


def test_the_paired_test_counts_speakers_not_clips():
    better = predictions({f"s{i}": [1] * 40 for i in range(3)})
    worse = predictions({f"s{i}": [0] * 40 for i in range(3)})
    test = compare(better, worse, speaker_of, NAMES, 1000, 0)
    assert test["accuracy_difference"] == 1.0
    assert test["accuracy_p"] == pytest.approx(
        2 / 8
    )  # three speakers: no smaller p exists, however many clips
    assert test["mcnemar_p"] < 1e-20


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6), min_size=1, max_size=12
    ),
    st.integers(0, 3),
)
def test_p_values_are_symmetric_and_never_zero(speakers, seed):
    tables = [
        predictions({f"s{i}": [clip[arm] for clip in clips] for i, clips in enumerate(speakers)})
        for arm in (0, 1)
    ]
    forth = compare(*tables, speaker_of, NAMES, 300, seed)
    back = compare(*tables[::-1], speaker_of, NAMES, 300, seed)
    assert 0 < forth["accuracy_p"] <= 1 and forth["accuracy_p"] == back["accuracy_p"]
    assert forth["accuracy_difference"] == -back["accuracy_difference"]


def test_seeds_that_agree_change_no_figure_and_seeds_that_differ_are_averaged():
    hits = {f"s{i}": [1, 0, 1, i % 2] * 4 for i in range(6)}
    one = predictions(hits)
    twice = pd.concat([one, one.assign(seed=1)], ignore_index=True)
    alone, both = (summarise(table, table.clip_id.map(speaker_of), NAMES, 300, 0) for table in (one, twice))
    for metric, stats in both.items():
        assert stats["seed_std"] == 0 and alone[metric]["seed_std"] is None
        for name in ("pooled", "mean", *(["ci95"] if metric != "ece" else [])):
            assert stats[name] == pytest.approx(alone[metric][name])
    worse = predictions({speaker: [0] * 16 for speaker in hits}, seed=1)
    mixed = pd.concat([one, worse], ignore_index=True)
    summary = summarise(mixed, mixed.clip_id.map(speaker_of), NAMES, 300, 0)["accuracy"]
    assert summary["seeds"] == [alone["accuracy"]["pooled"], 0]
    assert summary["ci95"] == pytest.approx([value / 2 for value in alone["accuracy"]["ci95"]])


def test_an_arm_of_several_seeds_is_compared_by_its_mean_over_them():
    hits = {f"s{i}": [1, 1, 0, i % 2] * 4 for i in range(5)}
    one, never = predictions(hits), predictions({speaker: [0] * 16 for speaker in hits}, seed=float("nan"))
    twice = pd.concat([one, one.assign(seed=1)], ignore_index=True)
    alone, both = (compare(table, never, speaker_of, NAMES, 1000, 0) for table in (one, twice))
    assert both == alone, "the number of seeds is no number of clips or of speakers"
    half = pd.concat([one, never.assign(seed=1)], ignore_index=True)
    assert compare(half, never, speaker_of, NAMES, 1000, 0)["accuracy_difference"] == pytest.approx(
        alone["accuracy_difference"] / 2
    )


def test_mcnemar_of_equal_arms_is_one():
    hit = np.array([True, False, True])
    assert mcnemar_p(hit, hit) == 1.0
