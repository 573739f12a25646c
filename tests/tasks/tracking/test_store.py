"""A MLflow server that takes connections and never answers delays a run once, and costs no result."""

import logging
import socket

import pytest

from mfer_core.base.paths import DataPaths
from tasks.tracking import store as tracking
from tasks.tracking.fold_runs import log_fold, log_folds
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
    assert f"not in MLflow yet: {', '.join(map(str, folders))}; `python -m flows track`" in caplog.text
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
