"""MLflow's tracking store: its address, experiments and pipeline runs, and what is done when it is down."""

import logging
import os
import socket
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
import requests
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Metric, Run
from mlflow.exceptions import MlflowException
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from mfer_core.base.errors import one_line
from mfer_core.base.settings import Settings, Tracking
from tasks.processes import lives, owner, run_name
from tasks.tracking.lineage import PROCESS_TAG, lineage
from tasks.tracking.pages import UI, describe_experiment
from tasks.tracking.relocation import relocate

log = logging.getLogger("mfer")
SQLITE = "sqlite:///"
SERVERS = ("postgresql", "mysql")  # These databases are asked over the network.
# MLflow's exception has one of these as its cause when a server does not answer.
SILENCE = (requests.RequestException, OperationalError)
KEY_TAG = "mfer.key"  # The tag holds the key of a run's content: the same key is not logged twice.
PIPELINE_TAG = "mfer.pipeline"
TITLE_TAG = "mfer.title"
ANSWER_S = 5  # A reachable server answers within this time.
PAUSE_S = 300  # a server that did not answer is not asked again for so long
silent_since: dict[str, float] = {}  # tracking URI -> the moment at which it did not answer
missed: list[str] = []  # Descriptions of what MLflow did not take from this process.


def project_folder() -> Path:
    """The folder of the project. `dvc exp run --temp` and `--queue` run a copy below it that is deleted."""
    folder = Path.cwd()
    root = Path(os.environ.get("DVC_ROOT", folder)).resolve()
    return root if root in folder.parents else folder


def tracking_uri(tracking: Tracking) -> str:
    """The tracking store: MLFLOW_TRACKING_URI or the settings' URI. A relative database is the project's."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or tracking.uri
    file = _database(uri)
    if file is None or file.is_absolute() or project_folder() == Path.cwd():
        return uri
    return f"{SQLITE}{project_folder() / file}"


def _database(uri: str) -> Path | None:
    """The file of an SQLite store as its URI says; None for another store."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def page_address(tracking: Tracking) -> str:
    """Where a browser finds the tracking store: its server, or where `make ui` opens a database. A server's
    name and password are left out, since Prefect's pages keep the address.
    """
    uri = tracking_uri(tracking)
    return _without_login(uri).rstrip("/") if uri.startswith("http") else UI


def _without_login(address: str) -> str:
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def shown_address(uri: str) -> str:
    """A store's address as a person may read it, without its password."""
    return make_url(uri).render_as_string(hide_password=True)


def first_line(error: Exception) -> str:
    """What MLflow says first: below it may stand an answer's whole body."""
    return one_line(str(error).partition("\n")[0])


def lock() -> FileLock:
    """Held while the store is made or an experiment is looked up and made: several processes ask at once."""
    path = project_folder() / ".prefect" / "mlflow.lock"
    path.parent.mkdir(exist_ok=True)
    return FileLock(path)


def _ask(uri: str) -> None:
    """Whether a server or its database is there. Raises MlflowException: MLflow itself waits for minutes."""
    try:
        if uri.startswith("http"):
            requests.get(uri, timeout=ANSWER_S)  # Any answer proves that the server is there.
        elif uri.startswith(SERVERS):
            create_engine(uri, connect_args={"connect_timeout": ANSWER_S}).connect().close()
    except (requests.RequestException, SQLAlchemyError) as error:
        raise MlflowException(f"no answer from {shown_address(uri)} within {ANSWER_S} s") from error


@cache
def client(tracking: Tracking) -> MlflowClient:
    """The tracking store, also as MLflow's own default. Raises MlflowException when it is down or broken."""
    uri = tracking_uri(tracking)
    _ask(uri)
    # MLflow percent-encodes the path of its default database, so that a blank in it leads to another folder.
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    with lock():
        try:
            store = MlflowClient(uri)
            store.search_experiments(max_results=1)
        except SQLAlchemyError as error:
            raise MlflowException(f"{shown_address(uri)}: {getattr(error, 'orig', error)}") from error
        database = _database(uri)
        if database is not None and project_folder() in database.absolute().parents:
            relocate(database, project_folder(), tracking.artifacts)
    return store


def attempt(title: str, log_it: Callable[[], Any], tracking: Tracking) -> Any:
    """Call ``log_it`` and return its result. Where MLflow does not take it, say so and return None.

    A server that did not answer is not asked again for ``PAUSE_S``: it delays a run once, not at every fold.
    """
    uri = tracking_uri(tracking)
    if time.monotonic() - silent_since.get(uri, -PAUSE_S) < PAUSE_S:
        missed.append(title)
        return None
    try:
        return log_it()
    except (MlflowException, OSError) as error:
        if any(isinstance(e, SILENCE) for e in (error, error.__cause__, error.__context__)):
            silent_since[uri] = time.monotonic()
        missed.append(title)
        log.warning("MLflow did not take %s (%s)", title, first_line(error))
        return None


def report_missed() -> None:
    """Say at the end of a stage how what MLflow did not take gets there."""
    if missed:
        log.warning("not in MLflow yet: %s; `mfer track` logs it", ", ".join(missed))


def experiment(name: str, tracking: Tracking) -> str:
    """The id of an experiment, made if need be, with its artifacts where the settings say."""
    store = client(tracking)
    with lock():
        present = store.get_experiment_by_name(name)
        if present and present.lifecycle_stage == LifecycleStage.ACTIVE:
            _remove_cut_off(store, present.experiment_id)
            return present.experiment_id
        if present:
            _release_name(store, present.experiment_id, name)
        served = tracking_uri(tracking).startswith("http")
        location = None if served else (project_folder() / tracking.artifacts / name).as_uri()
        experiment_id = store.create_experiment(name, location)
        describe_experiment(store, experiment_id, name)
        return experiment_id


def _remove_cut_off(store: MlflowClient, experiment_id: str) -> None:
    """Remove the runs of this machine's processes that were killed while they logged, whatever they logged:
    a later run may have other settings, and so another key.
    """
    for run in store.search_runs([experiment_id], "attributes.status = 'RUNNING'"):
        host, _, process = run.data.tags.get(PROCESS_TAG, "").rpartition(" ")
        if host == socket.gethostname() and not lives(process):
            store.delete_run(run.info.run_id)


def _release_name(store: MlflowClient, deleted: str, name: str) -> None:
    """A deleted experiment keeps its name, and MLflow renames no deleted one: it is back for a moment."""
    store.restore_experiment(deleted)
    store.rename_experiment(deleted, f"{name} deleted {deleted}")
    store.delete_experiment(deleted)


def find_run(store: MlflowClient, experiment_id: str, tag: str, value: str) -> Run | None:
    """The finished run with this tag; one that was cut off while it was logged is removed."""
    runs = store.search_runs([experiment_id], f"tags.`{tag}` = '{value}'")
    for run in runs:
        if run.info.status != "FINISHED":
            store.delete_run(run.info.run_id)
    return next((run for run in runs if run.info.status == "FINISHED"), None)


def pipeline_run(name: str, settings: Settings) -> str:
    """The parent run of this pipeline run in experiment ``name``; made at the first call."""
    store, experiment_id = client(settings.tracking), experiment(name, settings.tracking)
    process = owner()
    tags = lineage(settings)
    mark = "-".join(filter(None, (run_name(process), tags["dvc_experiment"])))
    title = time.strftime(f"%m-%d %H:%M {settings.profile}", time.localtime(process.create_time()))
    title = " ".join(filter(None, (title, tags["dvc_experiment"])))
    tags |= {PIPELINE_TAG: mark, TITLE_TAG: title, "kind": "pipeline"}
    with lock():  # Stages that run side by side ask for it at once.
        run = find_run(store, experiment_id, PIPELINE_TAG, mark)
        if run is None:
            run = store.create_run(experiment_id, run_name=title, tags=tags)
            store.set_terminated(run.info.run_id)
    return run.info.run_id


def metrics_now(values: dict[str, float]) -> list[Metric]:
    """Figures without steps, measured now."""
    now = int(time.time() * 1000)
    return [Metric(name, value, now, 0) for name, value in values.items()]
