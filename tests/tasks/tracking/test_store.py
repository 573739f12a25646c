"""A MLflow server that takes connections and never answers delays a run once, and costs no result."""

import logging
import multiprocessing
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from mlflow.entities import ViewType
from sqlalchemy import create_engine

from flows.track import track_results
from mfer_core.base.errors import MferError
from mfer_core.base.paths import DataPaths
from mfer_core.cache.code import ROOT
from tasks.tracking import store as tracking
from tasks.tracking.fold_runs import log_fold, log_folds
from tasks.tracking.lineage import lineage
from tests.servers.ports import free_port, serve
from tests.tasks.conftest import forget_store
from tests.tasks.finished import finish_fold


@pytest.fixture
def hanging(monkeypatch):
    """A port that accepts and says nothing; counts who called."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setattr(tracking, "ANSWER_S", 1)
        yield listener


def calls(listener: socket.socket) -> int:
    """How many connections wait to be taken."""
    listener.settimeout(0.1)
    taken = []
    try:
        while True:
            taken.append(listener.accept())
    except TimeoutError:
        return len(taken)


def test_a_server_that_hangs_is_asked_once_and_the_folds_are_logged_later(
    settings, hanging, monkeypatch, caplog
):
    folders = [finish_fold("visual", number, hits=8) for number in range(3)]
    with caplog.at_level(logging.INFO, "mfer"):
        for folder in folders:
            log_fold(folder, DataPaths(), settings)
    assert calls(hanging) == 1, "every fold waited for the server"
    assert "no answer from http://127.0.0.1" in caplog.text
    tracking.report_missed()
    assert f"not in MLflow yet: {', '.join(map(str, folders))}; `mfer track`" in caplog.text
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    log_folds(DataPaths(), settings)
    store = tracking.client(settings.tracking)
    runs = store.search_runs([store.get_experiment_by_name("luna5").experiment_id], "tags.kind = 'fold'")
    assert {run.data.tags["fold"] for run in runs} == {"0", "1", "2"}


def test_a_run_that_was_cut_off_while_it_was_logged_is_logged_anew(fold, settings, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("tasks.tracking.fold_runs.confusion_figure", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            log_fold(fold, DataPaths(), settings)
    log_fold(fold, DataPaths(), settings)
    store = tracking.client(settings.tracking)
    runs = store.search_runs([store.get_experiment_by_name("luna5").experiment_id], "tags.kind = 'fold'")
    assert [run.info.status for run in runs] == ["FINISHED"]


def test_what_a_killed_process_was_logging_goes_whatever_is_logged_next(settings):
    """A process of other settings, whose runs have other keys; what a living one logs stays."""
    context = multiprocessing.get_context("fork")
    begun = context.Semaphore(0)

    def begin_a_run() -> None:
        experiment_id = tracking.experiment("luna5", settings.tracking)
        tracking.client(settings.tracking).create_run(experiment_id, tags=lineage(settings))
        begun.release()
        signal.pause()

    killed, living = (context.Process(target=begin_a_run, daemon=True) for _ in range(2))
    for process in (killed, living):
        process.start()
        assert begun.acquire(timeout=120)
    killed.kill()
    killed.join()
    log_fold(finish_fold("visual", 0, hits=8), DataPaths(), settings)
    store = tracking.client(settings.tracking)
    experiment_id = store.get_experiment_by_name("luna5").experiment_id
    (run,) = store.search_runs([experiment_id], "attributes.status = 'RUNNING'")
    assert f" {living.pid}-" in run.data.tags["mfer.process"]
    living.kill()


def test_an_experiment_that_was_deleted_is_made_anew_and_its_runs_stay_deleted(fold, settings):
    store = tracking.client(settings.tracking)
    for _ in range(2):
        log_fold(fold, DataPaths(), settings)
        deleted = store.get_experiment_by_name("luna5")
        store.delete_experiment(deleted.experiment_id)
    log_fold(fold, DataPaths(), settings)
    assert not tracking.missed
    present = store.get_experiment_by_name("luna5")
    assert len(store.search_runs([present.experiment_id], "tags.kind = 'fold'")) == 1
    gone = store.search_experiments(ViewType.DELETED_ONLY)
    assert {one.name for one in gone} == {f"luna5 deleted {one.experiment_id}" for one in gone} and len(
        gone
    ) == 2
    assert not store.search_runs([one.experiment_id for one in gone])


def test_track_says_what_mlflow_did_not_take_and_fails(fold, settings, monkeypatch, caplog):
    with monkeypatch.context() as down:
        down.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        down.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with pytest.raises(MferError, match=f"^MLflow did not take {fold}: "):
            track_results(DataPaths(), settings)
    assert "flows track" not in caplog.text, "the command names itself as the remedy"
    tracking.missed.clear()
    track_results(DataPaths(), settings)


def test_where_artifacts_may_not_be_written_the_fold_is_named_and_training_goes_on(fold, settings, caplog):
    Path("mlartifacts").write_text("a file in the place of the folder")
    log_fold(fold, DataPaths(), settings)
    assert tracking.missed == [str(fold)] and f"MLflow did not take {fold} (" in caplog.text


def test_a_database_that_is_down_is_a_line_without_its_password_and_is_asked_once(
    fold, settings, monkeypatch, caplog
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql+psycopg2://me:secret@127.0.0.1:9/mlflow")
    asked = []
    monkeypatch.setattr(tracking, "create_engine", lambda *a, **k: asked.append(a) or create_engine(*a, **k))
    for _ in range(2):
        log_fold(fold, DataPaths(), settings)
    assert "no answer from postgresql+psycopg2://me:***@127.0.0.1:9/mlflow within 5 s" in caplog.text
    assert tracking.missed == [str(fold)] * 2 and len(asked) == 1


class BreaksOff(BaseHTTPRequestHandler):
    """A server that is there, and breaks off whatever MLflow asks."""

    def do_GET(self):
        if not self.path.startswith("/api"):
            self.send_response(200)
            self.end_headers()

    do_POST = do_GET

    def log_message(self, *_):
        pass


def test_a_server_that_breaks_off_is_named_without_its_password(fold, settings, monkeypatch, caplog):
    with ThreadingHTTPServer(("127.0.0.1", 0), BreaksOff) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{server.server_port}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        log_fold(fold, DataPaths(), settings)
        server.shutdown()
    assert f"http://me:***@127.0.0.1:{server.server_port}/api" in caplog.text
    assert "secret" not in caplog.text


def test_a_page_that_is_linked_to_and_a_broken_store_are_named_without_name_and_password(
    settings, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.example:8443/team/")
    assert tracking.page_address(settings.tracking) == "https://mlflow.example:8443/team"
    assert tracking.shown_address("postgresql://me:secret@db/mlflow") == "postgresql://me:***@db/mlflow"


def test_a_server_that_is_stopped_and_started_again_in_mid_run_has_every_fold_in_the_end(
    settings, tmp_path, monkeypatch
):
    folders = [finish_fold("visual", number, hits=8) for number in range(3)]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    store = ("--backend-store-uri", settings.tracking.uri, "--port", str(port), "--workers", "1")
    monkeypatch.setenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    with serve(tmp_path, f"{url}/health", "mlflow", "ui", *store):
        log_fold(folders[0], DataPaths(), settings)
        assert not tracking.missed
    for folder in folders[1:]:
        log_fold(folder, DataPaths(), settings)
    assert tracking.missed == [str(folder) for folder in folders[1:]]
    forget_store()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    with serve(tmp_path, f"{url}/health", "mlflow", "ui", *store):
        track_results(DataPaths(), settings)
        there = tracking.client(settings.tracking)
        experiment_id = there.get_experiment_by_name("luna5").experiment_id
        runs = there.search_runs([experiment_id], "tags.kind = 'fold'")
    assert sorted((run.data.tags["fold"], run.info.status) for run in runs) == [
        (str(number), "FINISHED") for number in range(3)
    ]


LOG_FOLDS = """if True:
    import sys
    from pathlib import Path
    from mfer_core.base.paths import DataPaths
    from mfer_core.base.settings import load_settings
    from tasks.tracking import store
    from tasks.tracking.fold_runs import log_fold
    settings = load_settings(Path(sys.argv[1]))
    print("ready", flush=True)
    for folder in map(Path, sys.argv[2:]):
        log_fold(folder, DataPaths(), settings)
    print(store.missed)
"""


def test_three_processes_at_once_and_a_lock_held_by_a_fourth_cost_no_fold(settings):
    arms = ("visual", "audio", "fused")
    folders = [finish_fold(arm, number, hits=8) for number in range(3) for arm in arms]
    database = settings.tracking.uri.removeprefix(tracking.SQLITE)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": settings.tracking.uri}
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        programs = [
            subprocess.Popen(
                [sys.executable, "-c", LOG_FOLDS, str(ROOT / "params.yaml"), *map(str, folders[number::3])],
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(3)
        ]
        assert [program.stdout.readline() for program in programs] == ["ready\n"] * 3
        time.sleep(1)  # Everyone waits for the lock by then.
        other.execute("COMMIT")
    said = [program.communicate()[0].splitlines()[-1] for program in programs]
    assert said == ["[]"] * 3 and [program.returncode for program in programs] == [0, 0, 0]
    store = tracking.client(settings.tracking)
    runs = store.search_runs([store.get_experiment_by_name("luna5").experiment_id], "tags.kind = 'fold'")
    assert {(run.data.tags["arm"], run.data.tags["fold"]) for run in runs} == {
        (arm, str(number)) for arm in arms for number in range(3)
    }
    assert len(runs) == len(folders)
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_a_database_that_is_none_is_a_line(fold, settings, monkeypatch, caplog):
    Path("broken.db").write_text("words")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///broken.db")
    log_fold(fold, DataPaths(), settings)
    assert f"MLflow did not take {fold} (sqlite:///broken.db: file is not a database)" in caplog.text
