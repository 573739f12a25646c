"""Benchmarks of other classes than the eight: what is declared, mapped and left out, and what never
occurs.
"""

import pytest

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json, read_table
from mfer_core.protocol.predictions import classes_of
from mfer_core.training.stages import collect_predictions
from tests.training.synthetic import small_settings, train_visual_fold, write_benchmark

SIX = ("neutral", "happy", "sad", "angry", "fearful", "disgust")


def train(data, labels, **declared):
    settings = small_settings(labels=declared, folds={"protocols": ["groupk:2"]}, train_visual={"epochs": 2})
    write_benchmark(data, settings, speakers=4, labels=labels)
    for fold in range(2):
        folder = train_visual_fold("groupk:2", fold, data, settings)
    return read_json(folder / "config.json"), collect_predictions("train_visual", data, settings)


def test_classes_that_never_occur_are_not_trained(tmp_path):
    config, predictions = train(tmp_path, SIX)
    assert config["labels"] == list(SIX) and config["model"]["classes"] == list(SIX)
    assert classes_of(predictions) == SIX
    stored = read_table(tmp_path / "train_visual" / "predictions.parquet")
    assert stored[list(SIX)].sum(axis=1).tolist() == pytest.approx([1.0] * len(stored))


def test_a_declared_further_label_is_a_class_and_a_mapped_one_counts_as_another(tmp_path):
    labels = (*SIX, "calm", "bored", "excited")
    classes, mapping = [*SIX, "bored"], {"calm": "neutral", "excited": None}
    config, predictions = train(tmp_path, labels, classes=classes, mapping=mapping)
    assert config["labels"] == classes
    assert set(predictions.label[predictions.clip_id.str.contains("calm")]) == {"neutral"}
    assert not predictions.clip_id.str.contains("excited").any()
    assert len(predictions) == 4 * 2 * (len(labels) - 1)


def test_a_label_that_is_neither_declared_nor_mapped_ends_the_stage_with_its_name(tmp_path):
    with pytest.raises(MferError, match=r"clips are labelled 'bored', which is no class"):
        train(tmp_path, (*SIX, "bored"))


def test_another_order_of_the_same_classes_is_another_model(tmp_path):
    first, _ = train(tmp_path / "a", SIX)
    second, _ = train(tmp_path / "b", SIX, classes=list(SIX[::-1]))
    assert first["key"] != second["key"] and second["labels"] == list(SIX[::-1])


def test_a_crowd_that_says_otherwise_moves_what_is_learned_by_its_share(tmp_path):
    """Everyone takes happy for sad: a model of the crowd alone never answers happy, one of the label does."""

    def answers(share):
        data = tmp_path / str(share)
        crowd = {"visual": lambda label: "sad" if label == "happy" else label}
        settings = small_settings(
            labels={"crowd_share": share}, folds={"protocols": ["groupk:2"]}, train_visual={"probe": True}
        )
        write_benchmark(data, settings, speakers=4, strength=3.0, labels=SIX, crowd=crowd)
        folder = train_visual_fold("groupk:2", 0, data, settings)
        table = read_table(folder / "predictions.parquet")
        return read_json(folder / "config.json")["key"], table[list(SIX)].idxmax(axis=1)

    (meant, by_label), (said, by_crowd) = answers(0.0), answers(1.0)
    assert meant != said and (by_label == "happy").any()
    assert not (by_crowd == "happy").any() and (by_crowd == "sad").sum() > (by_label == "sad").sum()
