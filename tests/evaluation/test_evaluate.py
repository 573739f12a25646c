"""Stage evaluate on a trained synthetic world."""

import re

import numpy as np
import pandas as pd
import pytest

from flows import show
from mfer_core.base.files import read_json, read_table, sha256_file, write_json
from mfer_core.base.labels import LabelSet, label_set
from mfer_core.base.modalities import ARMS
from mfer_core.cache.code import ROOT
from mfer_core.evaluation.arms import PROBES, title
from mfer_core.evaluation.benchmark import open_benchmark
from mfer_core.evaluation.evaluate import evaluate
from mfer_core.evaluation.leakage import leakage_table
from mfer_core.evaluation.predictions import ARM_STAGES
from mfer_core.protocol.protocols import protocol
from tests.training.synthetic import manifest_and_folds

EIGHT = label_set("eight")
PROTOCOLS = {"groupk:2": 2, "report5-inner": 5, "report5": 5}  # and their folds
P = "accuracy p (permutation by speaker)"
BENCHMARK_TABLES = {
    *("results", "published", "leakage", "recalls", "pairs", "calibration", "groups", "normalisation")
}
TABLES = BENCHMARK_TABLES | {"leakage_published", "corpora", "training", "pretraining", "cross_corpus"}
# Number of a table of the report: where its counterpart is, and what of the report's figures it shows beside
# ours.
REPORT = {
    "I": ("corpora", ["1271", "1059", "449", "2775", "6171"]),
    "II": ("pretraining", ["97.01 ± 0.47", "82.91 ± 2.14", "75.28 ± 4.26", "48.57 ± 14.57"]),
    "III": ("pretraining", ["67.88,77.0"]),
    "IV": ("results", ["mean ± sd over folds"]),
    "VI": ("published", ["88.70 ± 1.82", "89.20 ± 0.55", "96.94 ± 1.27", "86.70", "89.00", "82.42", "97.57"]),
}


@pytest.fixture(scope="module")
def evaluated(trained):
    data, settings = trained
    return data, settings, evaluate(data, settings)


def table_of(evaluated, name):
    return pd.read_csv(evaluated[0] / "evaluate" / "tables" / f"{name}.csv", dtype=str, keep_default_na=False)


def test_metrics_have_the_agreed_shape(evaluated):
    data, _, metrics = evaluated
    assert metrics == read_json(data / "evaluate" / "metrics.json")
    assert set(metrics) == {"about", *PROTOCOLS}
    assert metrics["about"]["data"] == "synthetic"
    facts = metrics["about"]["benchmark"]
    assert (facts["corpus"], facts["clips"], facts["speakers"]) == ("ravdess", 96, 6)
    for name, folds in PROTOCOLS.items():
        assert set(metrics[name]) == {*ARMS, "late", "late_product", *PROBES, "baseline"}
        for arm, by_metric in metrics[name].items():
            scores = {"accuracy", "uar", "macro_f1"}
            probabilistic = {"brier", "log_loss", "ece"} if arm != "baseline" else set()
            assert set(by_metric) == scores | probabilistic
            for metric, stats in by_metric.items():
                assert len(stats["folds"]) == folds
                if metric == "ece":
                    assert "ci95" not in stats, "a percentile interval of a biased estimate is none"
                else:
                    assert stats["ci95"][0] <= stats["pooled"] <= stats["ci95"][1]


def test_what_settings_may_be_tried_on_are_inner_validation_figures(evaluated):
    data, _, _ = evaluated
    summary = read_json(data / "evaluate" / "summary.json")
    assert summary.pop("data") == "synthetic"
    assert set(summary) == {"groupk:2", "report5-inner"}, "report5 validates on its test fold"
    for arm, stage in ARM_STAGES.items():
        best = []
        for fold in (0, 1):
            folder = data / stage / "groupk-2" / "seed-42" / f"fold-{fold}"
            history = pd.read_csv(folder / "history.csv")
            epoch = read_json(folder / "config.json")["best_epoch"]
            best.append(history.valid_uar[history.epoch == epoch].item())
        assert summary["groupk:2"][arm].keys() == {"valid_accuracy", "valid_uar"}
        assert summary["groupk:2"][arm]["valid_uar"] == pytest.approx(np.mean(best))


def test_folds_that_share_speakers_flatter_a_model_that_learns_speakers(evaluated):
    metrics = evaluated[2]
    for arm in ("visual", "audio", "fused"):
        leaky, honest = (metrics[name][arm]["accuracy"]["pooled"] for name in ("report5", "groupk:2"))
        assert leaky > honest + 0.05


def test_the_leakage_gap_is_the_sum_of_peeking_and_people(evaluated):
    table = table_of(evaluated, "leakage").set_index("arm")
    for arm in (*ARMS, "late, mean", "probe_both", "baseline"):
        cells = table.loc[arm, ["gap, points (95 % CI)", "of it peeking", "of it people"]]
        gap, peeking, people = (float(cell.split(" ")[0]) for cell in cells)
        assert gap == pytest.approx(peeking + people, abs=0.11)
        low, high = re.fullmatch(r".*\((\S+) to (\S+)\)", cells.iloc[0]).groups()
        assert float(low) <= gap <= float(high)
    assert float(table.loc["fused", "gap, points (95 % CI)"].split(" ")[0]) > 5
    assert table.loc["baseline", "of it peeking"] == "+0.0 (+0.0 to +0.0)", "the SVM picks nothing"


def test_statement_is_no_honest_side_of_the_leakage_gap(evaluated):
    data, settings, _ = evaluated
    predictions = read_table(data / "evaluate" / "predictions.parquet")
    renamed = predictions.assign(protocol=predictions.protocol.replace("groupk:2", "statement"))
    table = leakage_table(renamed, open_benchmark(settings, *manifest_and_folds(data), LabelSet()), (100, 0))
    assert table.frame.empty and "honest protocol" in table.notes


def test_the_fused_model_predicts_clips_that_lack_a_modality(evaluated):
    data, _, _ = evaluated
    predictions = read_table(data / "evaluate" / "predictions.parquet")
    counts = predictions[predictions.protocol == "groupk:2"].groupby("arm").size()
    assert counts["fused"] == 96 and counts["visual"] == 90 and counts["audio"] == 90
    assert np.allclose(predictions[list(EIGHT)].sum(axis=1), 1, atol=1e-4)


def test_every_file_says_that_the_corpora_are_synthetic_and_what_is_leaky(evaluated):
    folder = evaluated[0] / "evaluate" / "tables"
    assert {path.stem for path in folder.glob("*.md")} >= TABLES
    for path in folder.glob("*.md"):
        assert "Synthetic" in path.read_text()
    for path in folder.glob("*.csv"):
        rows = pd.read_csv(path)
        assert (rows.data == "synthetic").all() or path.read_text().startswith(("data", "\n")), path
    results = (folder / "results.md").read_text()
    assert "report5 (leaky)" in results and "| report5 |" not in results
    assert "the reported test fold" in results


def test_figures_on_the_benchmark_name_corpus_clips_and_speakers(evaluated):
    for name in BENCHMARK_TABLES:
        text = (evaluated[0] / "evaluate" / "tables" / f"{name}.md").read_text()
        assert "Benchmark: ravdess (synthetic), 96 clips of 6 speakers, 8 classes." in text
        assert "Intervals over 6 speakers are too narrow" in text
    results = (evaluated[0] / "evaluate" / "tables" / "results.md").read_text()
    assert "on free speech good systems reach a macro F1 of about 41 %" in results
    assert (table_of(evaluated, "results")["labels of the benchmark seen by the encoder"] != "").all()


def test_an_arm_below_its_probe_or_the_svm_is_said_in_a_sentence(evaluated):
    _, _, metrics = evaluated
    text = (evaluated[0] / "evaluate" / "tables" / "results.md").read_text()
    said = 0
    rivals = [("visual", "probe_visual"), ("audio", "baseline"), ("visual", "baseline")]
    rivals += [("fused", "late_product"), ("fused", "probe_both")]
    for name in PROTOCOLS:
        label = protocol(name).label
        for arm, rival in rivals:
            ours, theirs = (metrics[name][each]["accuracy"]["pooled"] for each in (arm, rival))
            sentence = f"{arm} is {100 * (theirs - ours):.1f} points below {title(rival)}"
            (line,) = [line for line in text.splitlines() if line.startswith(f"- {label}:")]
            assert (sentence in line) is bool(ours < theirs)
            said += ours < theirs
        visual, svm = (metrics[name][each]["accuracy"]["pooled"] for each in ("visual", "baseline"))
        assert ("below baseline, which hears and does not see" in line) is bool(visual < svm)
    assert said


def test_late_fusion_is_the_mean_and_the_product_and_one_arm_where_the_other_saw_nothing(evaluated):
    predictions = read_table(evaluated[0] / "evaluate" / "predictions.parquet")
    honest = predictions[predictions.protocol == "groupk:2"].set_index("clip_id")
    visual, audio, late, product = (
        honest.loc[honest.arm == arm, list(EIGHT)] for arm in ("visual", "audio", "late", "late_product")
    )
    assert len(late) == len(product) == 96
    both = visual.index.intersection(audio.index)
    np.testing.assert_allclose(late.loc[both], (visual.loc[both] + audio.loc[both]) / 2, atol=1e-6)
    raw = visual.loc[both] * audio.loc[both]
    np.testing.assert_allclose(product.loc[both], raw.div(raw.sum(axis=1), axis=0), atol=1e-5)
    alone = audio.index.difference(visual.index)
    np.testing.assert_allclose(late.loc[alone], audio.loc[alone], atol=1e-6)


def test_one_comparison_is_primary_and_the_others_are_corrected(evaluated):
    table = table_of(evaluated, "pairs")
    for _, rows in table.groupby("protocol"):
        primary = rows[rows.comparison == "primary"]
        assert primary[["first", "second"]].to_numpy().tolist() == [["fused", "probe_both"]]
        others = rows[rows.comparison == "secondary"]
        raw, corrected = (others[name].astype(float) for name in (P, "p corrected (Holm)"))
        assert (corrected >= raw).all() and corrected.max() <= 1


def test_published_figures_stand_beside_ours_only_on_the_same_clips(evaluated):
    table = table_of(evaluated, "published")
    reference = table[table.system.str.startswith("MFER")].iloc[0]
    assert reference.fused == "96.94 ± 1.27" and "leaky" in reference.protocol
    assert not (table.system == "this project").any()
    text = (evaluated[0] / "evaluate" / "tables" / "published.md").read_text()
    assert "Ours are not beside them: this run's benchmark is synthetic" in text


def test_groups_of_people_and_clips_have_intervals_and_the_worst_is_named(evaluated):
    data, _, metrics = evaluated
    groups = pd.DataFrame(metrics["about"]["groups"])
    assert set(groups.grouping) == {"sex", "age", "statement"} and set(groups.protocol) == {"groupk:2"}
    for (arm, grouping), rows in groups.groupby(["arm", "grouping"]):
        pooled = rows.accuracy.map(lambda stats: stats["pooled"])
        assert rows.worst.tolist() == (pooled == pooled.min()).tolist()
        if grouping == "age":
            assert rows.set_index("group").speakers.to_dict() == {"below 30": 2, "45 to 59": 2}, "two unknown"
            continue
        whole = metrics["groupk:2"][arm]["accuracy"]["pooled"]
        assert (pooled * rows.clips).sum() / rows.clips.sum() == pytest.approx(whole)
    assert "| worst |" in (data / "evaluate" / "tables" / "groups.md").read_text()
    worst = groups[(groups.arm == "fused") & (groups.grouping == "sex") & groups.worst].group.iloc[0]
    said = f"Lowest accuracy by group (groupk:2, fused, %): sex {worst} "
    assert said in (data / "evaluate" / "tables" / "results.md").read_text()


def test_speaker_normalisation_shows_what_it_assumes(evaluated):
    table = table_of(evaluated, "normalisation").set_index("a test speaker's moments from")
    assert list(table.index)[:2] == ["none: not standardised", "all their clips"]
    assert "sessions of 2 emotions" in table.index and "4 of their clips, at random" in table.index


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


def test_stage_2a_on_shuffled_clips_stands_beside_the_reference_and_is_called_leaky(evaluated):
    table = table_of(evaluated, "pretraining").set_index("corpus")
    for corpus in ("all", *evaluated[1].roles.pretraining):
        honest, leaky = table.loc[corpus], table.loc[f"{corpus} (leaky)"]
        assert int(leaky.clips) > int(honest.clips) and leaky["SVM accuracy"] == "-"
        assert re.fullmatch(r"\d+\.\d \(.+\)", leaky.accuracy)


def test_the_terminal_says_what_the_figures_stand_on(evaluated, monkeypatch, capsys):
    data, settings, _ = evaluated
    monkeypatch.setattr(show, "TABLES", data / "evaluate" / "tables")
    show.show_results(settings)
    said = " ".join(capsys.readouterr().out.split())  # titles are wrapped as the terminal is wide
    assert said.count("(synthetic demonstration corpora)") >= 3
    assert "Benchmark: ravdess (synthetic), 96 clips of 6 speakers, 8 classes." in said
    assert "points below baseline" in said
    for heading in (
        "results, pooled over folds",
        "the primary comparison of each protocol",
        "leakage gap: what a random split of clips adds",
    ):
        assert heading in said


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
    for name in ("ingest", "folds", "embed", "train_audio", "pretrain_audio"):
        (tmp_path / name).symlink_to(data / name)
    metrics = evaluate(tmp_path, alone)
    assert set(metrics["report5"]) == {"audio", "probe_audio"}
    table = pd.read_csv(tmp_path / "evaluate" / "tables" / "results.csv")
    assert (table[table.arm == "fused"]["UAR %, pooled (95 % CI)"] == "absent").all()
    write_json(tmp_path / "done.json", metrics)
