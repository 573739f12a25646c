"""MLflow holds each result once, and a server that is down costs a warning, never a result."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from mfer_core.base.files import read_json, write_json, write_table
from mfer_core.base.labels import label_set
from mfer_core.base.paths import DataPaths
from tasks.ingest import read_corpus
from tasks.tracking import store as tracking
from tasks.tracking.fold_runs import log_finals, log_fold, log_folds
from tasks.tracking.result_runs import log_dataset, log_encoders, log_stage
from tests.corpora.layouts import LAYOUTS
from tests.tasks.finished import LABELS


def runs(settings, kind: str, name: str = "luna5"):
    store = tracking.client(settings.tracking)
    return store.search_runs([store.get_experiment_by_name(name).experiment_id], f"tags.kind = '{kind}'")


def test_a_clock_that_is_set_in_mid_run_makes_no_second_pipeline_run(settings, monkeypatch):
    first, booted = tracking.pipeline_run("luna5", settings), psutil.boot_time()
    for jump_s in (3600, -3600):
        monkeypatch.setattr(psutil._psplatform, "boot_time", lambda jump_s=jump_s: booted + jump_s)
        assert tracking.pipeline_run("luna5", settings) == first


def test_a_fold_is_logged_once_under_its_pipeline_run(fold, settings):
    log_fold(fold, DataPaths(), settings)
    log_fold(fold, DataPaths(), settings)
    (run,) = runs(settings, "fold")
    (parent,) = runs(settings, "pipeline")
    assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert (run.info.run_name, run.data.tags["arm"], run.data.tags["fold"]) == (
        "visual f0 s42 100.0 %",
        "visual",
        "0",
    )
    assert run.data.metrics["test_accuracy"] == 1.0
    assert run.data.params["visual_encoder"] == "vit"
    inputs = {read.tags[0].value: read.dataset for read in run.inputs.dataset_inputs}
    assert json.loads(inputs["training"].profile) == {
        "clips": 5,
        "speakers": 3,
        "labels": dict.fromkeys(LABELS[:5], 1),
    }
    assert inputs["testing"].name == "ravdess test" and inputs["testing"].digest
    store = tracking.client(settings.tracking)
    assert [point.value for point in store.get_metric_history(run.info.run_id, "train_loss")] == [2.0, 1.5]
    assert {file.path for file in store.list_artifacts(run.info.run_id)} == {"confusion.png", "model"}


def test_a_model_of_all_clips_is_a_run_without_figures(fold, settings):
    final = DataPaths().final("train_visual")
    shutil.copytree(fold, final)
    (final / "predictions.parquet").unlink()
    write_json(final / "config.json", read_json(fold / "config.json") | {"fold": None, "key": "final"})
    log_finals(DataPaths(), settings)
    log_finals(DataPaths(), settings)
    (run,) = runs(settings, "final")
    assert run.info.run_name == "visual, all clips" and "test_accuracy" not in run.data.metrics
    (read,) = run.inputs.dataset_inputs
    assert (read.dataset.name, json.loads(read.dataset.profile)["clips"]) == ("ravdess train", 8)


def test_models_that_stage_train_final_may_have_to_train_anew_are_not_logged_with_the_folds(fold, settings):
    shutil.copytree(fold, final := DataPaths().final("train_visual"))
    write_json(final / "config.json", read_json(fold / "config.json") | {"fold": None, "key": "of before"})
    log_folds(DataPaths(), settings)
    assert len(runs(settings, "fold")) == 1 and runs(settings, "final") == []


def test_stage_2a_which_has_neither_fold_nor_seed_is_a_run_of_its_own_experiment(settings):
    four, folder = label_set("four"), Path("data/pretrain_audio")
    folder.mkdir(parents=True)
    table = pd.DataFrame(np.eye(4, dtype=np.float32), columns=list(four))
    clips = [f"urdu/{number}" for number in range(4)]
    write_table(folder / "predictions.parquet", table.assign(clip_id=clips, corpus="urdu", label=four[0]))
    pd.DataFrame({"epoch": [1], "train_loss": [2.0]}).to_csv(folder / "history.csv", index=False)
    encoders = {"audio": {"name": "e2v", "hash": "abc"}}
    write_json(folder / "config.json", {"key": "2a", "data": "d", "labels": four, "encoders": encoders})
    for corpus in settings.roles.pretraining:
        facts = {"clip_id": [f"{corpus}/0"], "label": ["sad"], "speaker": [f"{corpus}-1"]}
        write_table(DataPaths().manifest(corpus), pd.DataFrame(facts))
    log_fold(folder, DataPaths(), settings)
    (run,) = runs(settings, "fold", "pretrain_audio")
    assert run.data.metrics["test_accuracy"] == 0.25 and run.data.params["seed"] == str(settings.seed)
    assert run.info.run_name == "pretrain_audio 25.0 %" and run.data.tags["seed"] == ""


def test_a_server_that_is_down_costs_a_warning_and_the_result_is_logged_later(
    fold, settings, monkeypatch, caplog
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with caplog.at_level(logging.WARNING, "mfer"):
        log_fold(fold, DataPaths(), settings)
    assert f"MLflow did not take {fold}" in caplog.text
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    tracking.client.cache_clear()
    log_fold(fold, DataPaths(), settings)
    assert len(runs(settings, "fold")) == 1


def test_every_file_of_a_stage_is_an_artifact_under_the_path_that_it_has_in_data(tmp_path, settings):
    data = tmp_path / "data"
    for corpus in settings.corpora:
        write_json(data / "ingest" / corpus / "report.json", {"clips": 0})
    for stage in ("evaluate", "transfer"):  # some of their files have the same name
        metrics = {"luna5": {"fused": {"accuracy": {"mean": 0.5}}}}
        if stage == "evaluate":
            figures = {"accuracy": {"pooled": 0.4}, "uar": {"pooled": 0.3}}
            row = {"protocol": "luna5", "arm": "fused", "grouping": "age", "group": "below 30"}
            metrics["about"] = {"groups": [row | figures, row | figures | {"protocol": "loso"}]}
        write_json(data / stage / "metrics.json", metrics)
        for name in ("summary.json", "tables/results.md", "tables/results.csv", "plots/confusion_luna5.png"):
            (data / stage / name).parent.mkdir(exist_ok=True)
            (data / stage / name).write_text(f"{name} of {stage}")
        log_stage(stage, DataPaths(data), settings)
    (run,) = runs(settings, "pipeline")
    held = Path(tracking.client(settings.tracking).download_artifacts(run.info.run_id, ""))
    logged = {str(path.relative_to(held)): path.read_text() for path in held.rglob("*") if path.is_file()}
    assert logged == {
        str(path.relative_to(data)): path.read_text() for path in data.glob("[et]*/**/*") if path.is_file()
    }
    assert len(logged) == 10 and run.info.run_name.startswith("fused 50.0 %")
    by_group = {name: value for name, value in run.data.metrics.items() if "group" in name}
    name = "evaluate/fused/group.age.below 30."
    assert by_group == {f"{name}accuracy": 0.4, f"{name}uar": 0.3}


def test_the_report_of_each_corpus_is_a_run_of_its_own_and_logged_once(tmp_path, settings):
    data = DataPaths(tmp_path)
    for name, source in (("urdu", "local"), ("shemo", "local"), ("sdc", "absent")):
        LAYOUTS[name].build(tmp_path / "raw" / name)
        corpus = LAYOUTS[name].settings(tmp_path / "raw" / name, source=source)
        read_corpus.fn(name, corpus, settings.ingest, workers=1, data=data)
    for corpus in ("urdu", "shemo", "sdc", "urdu"):
        log_dataset(corpus, data, settings)
    logged = runs(settings, "dataset", "datasets")
    by_name = {run.info.run_name: run for run in logged}
    assert len(logged) == 2 and {name: run.data.metrics["clips"] for name, run in by_name.items()} == {
        "urdu": 4,
        "shemo": 4,
    }
    assert by_name["urdu"].data.metrics["label_sad"] == 1 and "label_calm" not in by_name["urdu"].data.metrics
    (report,) = tracking.client(settings.tracking).list_artifacts(by_name["shemo"].info.run_id)
    assert report.path == "report.md"


def test_the_figures_of_an_encoder_that_was_trained_are_in_the_experiment_of_its_stage(tmp_path, settings):
    (tmp_path / "pretrain_vit").mkdir()
    write_json(tmp_path / "pretrain_vit" / "metrics.json", {"PublicTest_accuracy": 0.5, "epochs": 3})
    (tmp_path / "pretrain_vit" / "history.csv").write_text("epoch,train_loss\n1,2.0\n")
    log_encoders(DataPaths(tmp_path), settings)
    (run,) = runs(settings, "pipeline", "pretrain_vit")
    assert run.data.metrics == {"PublicTest_accuracy": 0.5, "epochs": 3}
    assert (
        tracking.client(settings.tracking).list_artifacts(run.info.run_id, "pretrain_vit")[0].path
        == "pretrain_vit/history.csv"
    )
    assert tracking.client(settings.tracking).get_experiment_by_name("pretrain_emotion2vec") is None
