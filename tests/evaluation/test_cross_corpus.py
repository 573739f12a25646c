"""Probes from one corpus to another and back."""

from mfer_core.evaluation.cross_corpus import cross_corpus, cross_corpus_table
from mfer_core.evaluation.transfer import classes_shared


def test_probes_go_to_the_other_corpus_and_back_on_the_shared_classes_with_intervals(trained):
    data, settings = trained
    figures = cross_corpus(data, settings, classes_shared(data, settings))
    assert {(row["trained_on"], row["tested_on"], row["probe"]) for row in figures} == {
        (*way, probe)
        for way in (("ravdess", "custom"), ("custom", "ravdess"))
        for probe in ("probe_visual", "probe_audio", "probe_both")
    }
    for row in figures:
        low, high = row["uar"]["ci95"]
        assert low <= row["uar"]["pooled"] <= high
        assert (
            row["clips"]
            == {"custom": 120, "ravdess": 90 if row["probe"] != "probe_both" else 84}[row["tested_on"]]
        )
    heard = [row["uar"]["pooled"] for row in figures if row["probe"] == "probe_audio"]
    assert min(heard) > 2 / 8, (
        "both ways well above chance: an emotion has the same direction in both corpora"
    )
    table = cross_corpus_table(figures).frame
    assert list(table["trained on"]) == ["ravdess"] * 3 + ["custom"] * 3
