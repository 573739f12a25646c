"""Stage evaluate on a trained synthetic world."""

import re

import numpy as np
import pandas as pd
import pytest

from mfer_core.base.files import read_json, read_table, sha256_file, write_json
from mfer_core.base.labels import label_set
from mfer_core.base.manifest import read_manifest
from mfer_core.cache.code import ROOT
from mfer_core.evaluation.evaluate import all_predictions, evaluate

EIGHT = label_set("eight")
# Number of a table of the report: where its counterpart is, and what of the report's figures it shows beside ours.
REPORT = {
    "I": ("corpora", ["1271", "1059", "449", "2775", "6171"]),
    "II": ("pretraining", ["97.0", "82.9", "75.3", "48.6"]),
    "III": ("pretraining", ["67.88,77.0"]),
    "IV": ("results", ["accuracy % over folds"]),
    "VI": ("published", ["88.70 ± 1.82", "89.20 ± 0.55", "96.94 ± 1.27", "86.70", "89.00", "82.42", "97.57"]),
}


@pytest.fixture(scope="module")
def evaluated(trained):
    data, settings = trained
    return data, settings, evaluate(data, settings)


def test_metrics_have_the_agreed_shape(evaluated):
    data, _, metrics = evaluated
    assert metrics == read_json(data / "evaluate" / "metrics.json")
    assert set(metrics) == {"groupk:2", "report5"}
    for protocol, folds in (("groupk:2", 2), ("report5", 5)):
        assert set(metrics[protocol]) == {"visual", "audio", "fused", "baseline"}
        for arm in metrics[protocol].values():
            assert set(arm) == {"accuracy", "uar", "macro_f1", "ece"}
            for stats in arm.values():
                assert set(stats) == {"mean", "std", "min", "max", "pooled", "ci95", "folds"}
                assert len(stats["folds"]) == folds
                assert stats["ci95"][0] <= stats["pooled"] <= stats["ci95"][1]
    few = read_json(data / "evaluate" / "summary.json")
    assert few["report5"]["fused"] == {
        name: metrics["report5"]["fused"][name]["mean"] for name in ("accuracy", "uar")
    }


def test_folds_that_share_speakers_flatter_a_model_that_learns_speakers(evaluated):
    metrics = evaluated[2]
    for arm in ("visual", "audio", "fused"):
        leaky, honest = (metrics[name][arm]["accuracy"]["pooled"] for name in ("report5", "groupk:2"))
        assert leaky > honest + 0.05
    table = pd.read_csv(evaluated[0] / "evaluate" / "tables" / "leakage.csv").set_index("model")
    assert float(table.loc["fused", "gap, points"]) > 5


def test_the_fused_model_predicts_clips_that_lack_a_modality(evaluated):
    data, _, _ = evaluated
    predictions = read_table(data / "evaluate" / "predictions.parquet")
    counts = predictions[predictions.protocol == "groupk:2"].groupby("arm").size()
    assert counts["fused"] == 96 and counts["visual"] == 90 and counts["audio"] == 90
    assert np.allclose(predictions[list(EIGHT)].sum(axis=1), 1, atol=1e-4)


def test_every_page_says_that_the_corpora_are_synthetic_and_what_is_leaky(evaluated):
    tables = sorted((evaluated[0] / "evaluate" / "tables").glob("*.md"))
    assert {path.stem for path in tables} >= {
        "results",
        "published",
        "leakage",
        "recalls",
        "pairs",
        "corpora",
        "training",
        "pretraining",
    }
    assert all("Synthetic" in path.read_text() for path in tables)
    results = next(path for path in tables if path.stem == "results").read_text()
    assert "report5 (leaky)" in results and "| report5 |" not in results
    assert "the reported test fold" in results


def test_published_figures_stand_beside_ours_with_their_protocol(evaluated):
    table = pd.read_csv(evaluated[0] / "evaluate" / "tables" / "published.csv")
    reference = table[table.system.str.startswith("MFER")].iloc[0]
    assert reference.fused == "96.94 ± 1.27" and "leaky" in reference.protocol
    assert (table.system == "this project").sum() == 2


def test_each_table_of_the_report_has_its_counterpart_where_the_docs_say(evaluated):
    rows = [
        line.split("|")
        for line in (ROOT / "docs" / "results.md").read_text().splitlines()
        if line.count("|") == 4
    ]
    assert sum(bool(re.search(r"\bV\b", row[3])) for row in rows) == 1, "Table V is stage transfer's"
    for number, (name, figures) in REPORT.items():
        (row,) = [row for row in rows if re.search(rf"\b{number}\b", row[3])]
        assert re.search(rf"\b{name}`", row[2])
        text = (evaluated[0] / "evaluate" / "tables" / f"{name}.csv").read_text()
        assert all(figure in text for figure in figures), f"Table {number}"


def test_plots_are_pictures_that_need_no_network(evaluated):
    plots = evaluated[0] / "evaluate" / "plots"
    for name in ("confusion_report5", "reliability_report5", "curves_groupk-2"):
        assert (plots / f"{name}.png").stat().st_size > 5000
    assert {path.suffix for path in plots.iterdir()} == {".png"}, (
        "dvc plots draws tables with scripts from the web"
    )


def test_evaluating_twice_gives_the_same_files_and_leaves_none_of_before(evaluated):
    def files():
        return {path: sha256_file(path) for path in (data / "evaluate").rglob("*") if path.is_file()}

    data, settings, _ = evaluated
    before = files()
    (data / "evaluate" / "tables" / "zero_shot_frames.md").write_text("of an encoder that had a head")
    evaluate(data, settings)
    assert before == files()


def test_an_arm_that_is_left_out_is_absent_not_zero(trained, tmp_path):
    data, settings = trained
    alone = settings.model_copy(
        update={"arms": ["audio"], "evaluate": settings.evaluate.model_copy(update={"baseline": False})}
    )
    for name in ("ingest", "folds", "train_audio", "pretrain_audio"):
        (tmp_path / name).symlink_to(data / name)
    metrics = evaluate(tmp_path, alone)
    assert set(metrics["report5"]) == {"audio"}
    table = pd.read_csv(tmp_path / "evaluate" / "tables" / "results.csv")
    assert (table[table.arm == "fused"]["UAR %"] == "absent").all()
    write_json(tmp_path / "done.json", metrics)


def test_where_an_arm_is_normalised_by_speaker_so_is_a_baseline_beside_it(trained):
    data, settings = trained
    arm = settings.pretrain_audio.model_copy(update={"normalisation": "speaker"})
    manifest, folds = (
        read_manifest(data / "ingest" / "ravdess" / "manifest.parquet"),
        read_table(data / "folds" / "folds.parquet"),
    )
    found = all_predictions(data, settings.model_copy(update={"pretrain_audio": arm}), manifest, folds)
    plain, normalised = (
        found[found.arm == name].set_index(["protocol", "clip_id"])[list(EIGHT)]
        for name in ("baseline", "baseline_speaker")
    )
    assert len(plain) == len(normalised) and not np.allclose(plain, normalised.loc[plain.index], atol=0.01)
    assert "baseline_speaker" not in set(all_predictions(data, settings, manifest, folds).arm)
