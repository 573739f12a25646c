"""Results in MLflow: one experiment per protocol, a parent run per pipeline run, a child per arm and fold.

Everything is logged from files that the stages wrote, under their key: logging twice changes nothing, and what MLflow
missed while it was down is logged by the next call.
"""

import logging
import os
import time
from functools import cache
from pathlib import Path

import pandas as pd
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from mfer_core.evaluation.plots import confusion_figure
from mfer_core.evaluation.summary import fold_scores
from mfer_core.files import read_json, read_table, sha256_file
from mfer_core.lifeline import owner
from mfer_core.settings import Settings, Tracking
from tasks.lineage import lineage

log = logging.getLogger("mfer")
KEY_TAG = "mfer.key"
PIPELINE_TAG = "mfer.pipeline"
PARENT_TAG = "mlflow.parentRunId"


@cache
def client(tracking: Tracking) -> MlflowClient:
    """The tracking store; its database is made once, however many processes ask at once."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or tracking.uri
    with FileLock(".prefect/mlflow.lock"):
        found = MlflowClient(uri)
        found.search_experiments(max_results=1)
    return found


def experiment(name: str, tracking: Tracking) -> str:
    """The id of an experiment, made if need be, with its artifacts where the settings say."""
    store = client(tracking)
    with FileLock(".prefect/mlflow.lock"):
        if found := store.get_experiment_by_name(name):
            return found.experiment_id
        served = os.environ.get("MLFLOW_TRACKING_URI", "").startswith("http")
        location = None if served else (Path(tracking.artifacts) / name).absolute().as_uri()
        return store.create_experiment(name, location, tags={"mlflow.experimentKind": "custom_model_development"})


def _find(store: MlflowClient, where: str, tag: str, value: str) -> Run | None:
    found = store.search_runs([where], f"tags.`{tag}` = '{value}' and attributes.status = 'FINISHED'", max_results=1)
    return found[0] if found else None


def pipeline_run(name: str, settings: Settings) -> str:
    """The parent run of this pipeline run in experiment ``name``; made at the first call."""
    store, where = client(settings.tracking), experiment(name, settings.tracking)
    process = owner()
    started = process.create_time()
    mark = f"{process.pid}-{started:.0f}"
    if found := _find(store, where, PIPELINE_TAG, mark):
        return found.info.run_id
    tags = lineage(settings) | {PIPELINE_TAG: mark, "kind": "pipeline"}
    title = time.strftime(f"%m-%d %H:%M {settings.profile}", time.localtime(started))
    run = store.create_run(where, run_name=title, tags=tags)
    store.set_terminated(run.info.run_id)
    return run.info.run_id


def log_fold(folder: Path, settings: Settings) -> None:
    """Log what a training stage left in ``folder``. When MLflow does not answer, say so and go on: the files stay."""
    config = read_json(folder / "config.json")
    if "skipped" in config:
        return
    try:
        _log_fold(folder, config, settings)
    except MlflowException as error:
        log.warning("MLflow did not take %s (%s); `python -m flows track` logs it later", folder, str(error).splitlines()[0])


def _log_fold(folder: Path, config: dict, settings: Settings) -> None:
    stage = folder.relative_to("data").parts[0]
    name = config.get("protocol", stage)
    store, where = client(settings.tracking), experiment(name, settings.tracking)
    if _find(store, where, KEY_TAG, config["key"]):
        return
    arm = stage.removeprefix("train_")
    title = f"{arm} fold {config['fold']}" if "fold" in config else stage
    tags = lineage(settings) | {
        KEY_TAG: config["key"],
        PARENT_TAG: pipeline_run(name, settings),
        "kind": "fold",
        "stage": stage,
        "arm": arm,
    }
    tags |= {"fold": str(config.get("fold", "")), "protocol": name}
    run = store.create_run(where, run_name=title, tags=tags).info.run_id
    predictions = read_table(folder / "predictions.parquet")
    store.log_batch(
        run, metrics=[*_curves(folder / "history.csv"), *_scores(predictions, config["labels"])], params=_params(stage, config, settings)
    )
    store.log_figure(run, confusion_figure(predictions, config["labels"], title), "confusion.png")
    store.log_artifacts(run, str(folder), "model")
    store.set_terminated(run)


def _curves(history: Path) -> list[Metric]:
    """The per-epoch figures as metrics by step."""
    rows, now = pd.read_csv(history), int(time.time() * 1000)
    names = [name for name in rows.columns if name != "epoch"]
    return [Metric(name, float(row[name]), now, int(row["epoch"])) for _, row in rows.iterrows() for name in names if pd.notna(row[name])]


def _scores(predictions: pd.DataFrame, labels: list[str]) -> list[Metric]:
    now = int(time.time() * 1000)
    return [Metric(f"test_{name}", value, now, 0) for name, value in fold_scores(predictions, tuple(labels)).items()]


def _params(stage: str, config: dict, settings: Settings) -> list[Param]:
    """The stage's hyperparameters and the encoders they stand on."""
    values = getattr(settings, stage).model_dump() | {"seed": settings.seed}
    for modality, encoder in config["encoders"].items():
        values |= {f"{modality}_encoder": encoder.get("name"), f"{modality}_encoder_hash": encoder.get("hash")}
        values |= {f"{modality}_encoder_finetuned": encoder["finetuned"]} if "finetuned" in encoder else {}
    return [Param(name, str(value)) for name, value in values.items()]


def log_dataset(corpus: str, folder: Path, settings: Settings) -> None:
    """The report of a corpus as a run of experiment ``datasets``: figures as metrics, tables as text; none where it is absent."""
    report, figures = folder / "report.md", read_json(folder / "report.json")
    if not figures["clips"]:
        return
    tags = lineage(settings) | {KEY_TAG: f"{corpus} {sha256_file(report)[:16]}", "kind": "dataset", "corpus": corpus}
    try:
        store, where = client(settings.tracking), experiment("datasets", settings.tracking)
        if _find(store, where, KEY_TAG, tags[KEY_TAG]):
            return
        run, now = store.create_run(where, run_name=corpus, tags=tags).info.run_id, int(time.time() * 1000)
        store.log_batch(run, metrics=[Metric(name, value, now, 0) for name, value in figures.items()])
        store.log_artifact(run, str(report))
        store.set_terminated(run)
    except MlflowException as error:
        log.warning("MLflow did not take %s (%s); `python -m flows track` logs it later", folder, str(error).splitlines()[0])


def log_results(name: str, metrics: dict, files: list[Path], settings: Settings) -> None:
    """Log pooled figures and files to the parent run of experiment ``name``."""
    try:
        store, run = client(settings.tracking), pipeline_run(name, settings)
        now = int(time.time() * 1000)
        store.log_batch(run, metrics=[Metric(key, value, now, 0) for key, value in metrics.items()], tags=[RunTag("kind", "pipeline")])
        for file in files:
            store.log_artifact(run, str(file), "results")
    except MlflowException as error:
        log.warning("MLflow did not take the results of %s (%s); `python -m flows track` logs them later", name, str(error).splitlines()[0])
