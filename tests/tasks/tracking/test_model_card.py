"""The card states each figure with its own spread or interval, and whose data and encoders it stands on."""

import pytest

from mfer_core.base.settings import load_settings
from mfer_core.cache.code import ROOT
from mfer_core.prediction.notice import NOTICE
from tasks.tracking.model_card import write_card

CONFIG = {
    "key": "k",
    "protocol": "luna5",
    "fold": None,
    "seed": 42,
    "training_clips": 640,
    "epochs": 4,
    "epochs_of_folds": [4, 6, 2],
    "labels": ["angry", "calm"],
    "model": {"kind": "fused", "fusion": "cross_attention"},
    "training_speakers": ["ravdess-01", "ravdess-02"],
    "encoders": {
        "visual": {"name": "vit", "hash": "abc"},
        "audio": {"name": "e2v", "hash": "def", "finetuned": 1},
    },
}
FIGURES = {"mean": 0.561, "std": 0.069, "pooled": 0.571, "ci95": [0.509, 0.629], "folds": [0.5, 0.6]}
FIGURES |= {"seed_std": 0.012}
ALONE = FIGURES | {"std": 0.0, "folds": [0.561], "seed_std": None}
GROUPS = [
    {
        "protocol": "luna5",
        "arm": "fused",
        "grouping": "sex",
        "group": group,
        "accuracy": FIGURES,
        "worst": worst,
    }
    for group, worst in (("female", True), ("male", False))
]
BENCHMARK = {
    "corpus": "ravdess",
    "clips": 660,
    "speakers": 11,
    "classes": ["angry", "calm"],
    "seeds": [3, 42],
    "labels_seen_by_encoder": {"visual": "none", "audio": "yes (EmoBox)"},
}
METRICS = {
    "about": {"benchmark": BENCHMARK, "groups": GROUPS},
    "report5": {"fused": {"accuracy": FIGURES}},
    "luna5": {"fused": {"accuracy": FIGURES, "uar": ALONE}, "visual": {"accuracy": FIGURES}},
}


@pytest.fixture(scope="module")
def card():
    return write_card(CONFIG, METRICS, load_settings(ROOT / "params.yaml"))


def rows(card: str) -> list[list[str]]:
    """The cells of the card's table, without its head."""
    lines = [line for line in card.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_mean_stands_with_its_deviation_and_the_pooled_figure_with_its_interval(card):
    table = {tuple(row[1:3]): row[3:] for row in rows(card) if row[0].startswith("luna5")}
    assert table["fused", "accuracy"] == ["56.1 ± 6.9", "57.1 (50.9 to 62.9), seeds ± 1.2"]
    assert table["fused", "UAR"] == ["56.1 (one fold)", "57.1 (50.9 to 62.9)"], "one fold has no deviation"
    assert table["fused", "macro F1"] == ["not evaluated", "not evaluated"]
    assert ("audio", "accuracy") not in table


def test_honest_protocols_come_first_and_others_are_called_leaky(card):
    assert [row[0] for row in rows(card)] == sorted(
        (row[0] for row in rows(card)), key=lambda name: "leaky" in name
    )
    assert "Leaky or same speakers: people or clips of the test part" in card


def test_the_card_says_what_the_model_stands_on(card):
    assert "**Trained on synthetic demonstration corpora: a test bed, of no use on people.**" in card
    assert "GRU); fusion: cross-attention." in card
    assert "visual vit (abc); audio e2v (def), fine-tuned with this model" in card
    assert "all 640 clips of 2 speakers of ravdess (seed 42), as the folds of" in card
    assert "luna5, 11 of 24 actors chose (stage 3: 4 epochs, the median of 4, 6, 2)." in card
    assert "**Estimate of this model**: the rows of luna5, 11 of 24 actors below." in card
    assert "This one was tested on nothing: it has learned from every clip in the table." in card
    assert "**Labels of the benchmark seen by the encoders**: visual none; audio yes (EmoBox)." in card
    assert "ravdess, 660 clips of 11 speakers, 2 classes. Trained models: means over the seeds 3, 42;" in card
    assert "**Lowest accuracy by group** (fused, luna5, %): sex female 57.1 (50.9-62.9), seeds ± 1.2." in card
    assert "on free speech good systems reach a macro F1 of about 41 %" in card
    assert "ravdess (synthetic, of this project: MIT)" in card


def test_the_card_holds_the_notice(card):
    assert NOTICE in card
