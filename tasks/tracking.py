"""Results in MLflow: one experiment per protocol, a parent run per pipeline run, a child per arm and fold.

Everything is logged from files that the stages wrote, under their key: logging twice changes nothing, and what MLflow
missed while it was down is logged by the next call.
"""

import logging
import os
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import requests
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException

from mfer_core.base.files import read_json, sha256_file
from mfer_core.base.lifeline import owner
from mfer_core.base.settings import Settings, Tracking
from tasks.lineage import lineage
from tasks.views import UI, describe_experiment, run_page

log = logging.getLogger("mfer")
KEY_TAG = "mfer.key"
PIPELINE_TAG = "mfer.pipeline"
TITLE_TAG = "mfer.title"
ANSWER_S = 5  # within which a server says that it is there
PAUSE_S = 300  # for which a server that did not answer is left alone
silent_since: dict[str, float] = {}  # tracking URI -> when it did not answer


def tracking_uri(tracking: Tracking) -> str:
    """The tracking store: MLFLOW_TRACKING_URI, or what the settings say."""
    return os.environ.get("MLFLOW_TRACKING_URI") or tracking.uri


def page_address(tracking: Tracking) -> str:
    """Where a browser finds the tracking store: its server, or where `make ui` opens a database."""
    uri = tracking_uri(tracking)
    return uri.rstrip("/") if uri.startswith("http") else UI


@cache
def client(tracking: Tracking) -> MlflowClient:
    """The tracking store; its database is made once, however many processes ask at once. Raises MlflowException when it is down."""
    uri = tracking_uri(tracking)
    if uri.startswith("http"):
        try:
            requests.get(
                uri, timeout=ANSWER_S
            )  # any answer will do: without one, every call would wait for its time-out
        except requests.RequestException as error:
            raise MlflowException(f"no answer from {uri} within {ANSWER_S} s") from error
    with FileLock(".prefect/mlflow.lock"):
        found = MlflowClient(uri)
        found.search_experiments(max_results=1)
    return found


def attempt(what: str, log_it: Callable[[], Any], tracking: Tracking) -> Any:
    """Call ``log_it`` and return what it does. When MLflow does not take it, say so, return None and go on: the files stay.

    After a server did not answer it is not asked again for ``PAUSE_S``, so that it delays a run once and not with every fold.
    """
    uri = tracking_uri(tracking)
    if time.monotonic() - silent_since.get(uri, -PAUSE_S) < PAUSE_S:
        log.info("MLflow did not answer a while ago; `python -m flows track` logs %s later", what)
        return None
    try:
        return log_it()
    except (MlflowException, requests.RequestException) as error:
        if any(
            isinstance(fault, requests.RequestException)
            for fault in (error, error.__cause__, error.__context__)
        ):
            silent_since[uri] = time.monotonic()
        log.warning(
            "MLflow did not take %s (%s); `python -m flows track` logs it later",
            what,
            str(error).splitlines()[0],
        )
        return None


def experiment(name: str, tracking: Tracking) -> str:
    """The id of an experiment, made if need be, with its artifacts where the settings say."""
    store = client(tracking)
    with FileLock(".prefect/mlflow.lock"):
        if found := store.get_experiment_by_name(name):
            return found.experiment_id
        served = tracking_uri(tracking).startswith("http")
        location = None if served else (Path(tracking.artifacts) / name).absolute().as_uri()
        made = store.create_experiment(name, location)
        describe_experiment(store, made, name)
        return made


def find_run(store: MlflowClient, where: str, tag: str, value: str) -> Run | None:
    """The finished run with this tag; one that was cut off while it was logged is removed."""
    found = store.search_runs([where], f"tags.`{tag}` = '{value}'")
    for run in found:
        if run.info.status != "FINISHED":
            store.delete_run(run.info.run_id)
    return next((run for run in found if run.info.status == "FINISHED"), None)


def pipeline_run(name: str, settings: Settings) -> str:
    """The parent run of this pipeline run in experiment ``name``; made at the first call."""
    store, where = client(settings.tracking), experiment(name, settings.tracking)
    process = owner()
    started = process.create_time()
    mark = f"{process.pid}-{started:.0f}"
    if found := find_run(store, where, PIPELINE_TAG, mark):
        return found.info.run_id
    title = time.strftime(f"%m-%d %H:%M {settings.profile}", time.localtime(started))
    tags = lineage(settings) | {PIPELINE_TAG: mark, TITLE_TAG: title, "kind": "pipeline"}
    run = store.create_run(where, run_name=title, tags=tags)
    store.set_terminated(run.info.run_id)
    return run.info.run_id


def log_dataset(corpus: str, folder: Path, settings: Settings) -> None:
    """The report of a corpus as a run of experiment ``datasets``: figures as metrics, tables as text; none where it is absent."""
    report, figures = folder / "report.md", read_json(folder / "report.json")
    if not figures["clips"]:
        return
    tags = lineage(settings) | {
        KEY_TAG: f"{corpus} {sha256_file(report)[:16]}",
        "kind": "dataset",
        "corpus": corpus,
    }

    def log_it() -> None:
        store, where = client(settings.tracking), experiment("datasets", settings.tracking)
        if find_run(store, where, KEY_TAG, tags[KEY_TAG]):
            return
        run, now = store.create_run(where, run_name=corpus, tags=tags).info.run_id, int(time.time() * 1000)
        store.log_batch(run, metrics=[Metric(name, value, now, 0) for name, value in figures.items()])
        store.log_artifact(run, str(report))
        store.set_terminated(run)

    attempt(str(folder), log_it, settings.tracking)


def log_results(
    name: str, metrics: dict[str, float], files: dict[Path, str], score: str, settings: Settings
) -> str | None:
    """Log pooled figures and files to the parent run of experiment ``name``; ``score`` (or "") goes into its name.

    ``files``: file -> its folder among the run's artifacts; a file of the same name there is replaced.
    Returns the address of the run's page (of `make ui`, where no server is set), or None when MLflow did not take it.
    """

    def log_it() -> str:
        store, run = client(settings.tracking), pipeline_run(name, settings)
        now = int(time.time() * 1000)
        store.log_batch(run, metrics=[Metric(key, value, now, 0) for key, value in metrics.items()])
        if score:
            store.update_run(run, name=f"{score}, {store.get_run(run).data.tags[TITLE_TAG]}")
        for file, folder in files.items():
            store.log_artifact(run, str(file), folder)
        return run_page(page_address(settings.tracking), experiment(name, settings.tracking), run)

    return attempt(f"the results of {name}", log_it, settings.tracking)
