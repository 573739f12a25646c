"""`make ui`: one command, both servers, and a browser that sees the folds at once."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from mfer_core.base.paths import DataPaths
from mfer_core.cache.code import ROOT
from tasks.tracking.fold_runs import log_fold
from tests.servers.ports import answers, free_port, put_prefect_database, serve
from tests.tasks.conftest import settings  # noqa: F401
from tests.tasks.finished import finish_fold
from tests.waiting import wait_for_text

CUT_OFF = """
from prefect import flow, get_client
from prefect.states import Running

with get_client(sync_client=True) as client:
    client.create_flow_run(flow(lambda: None, name="mfer"), state=Running())
"""
FOLDS = {
    f"{arm} f{fold} s42 {25 * hits / 2:.1f} %"
    for arm, hits in (("visual", 5), ("audio", 6))
    for fold in range(2)
}


@pytest.fixture
def pages(tmp_path, settings):
    """The command at work over two arms of two folds: its process, the two addresses, and what it printed."""
    for name in ("params.yaml", "dvc.yaml", "prefect.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for arm, hits in (("visual", 5), ("audio", 6)):
        for fold in range(2):
            log_fold(finish_fold(arm, fold, hits), DataPaths(), settings)
    mlflow, prefect = free_port(), free_port()
    command = ("flows", "ui", "--port", str(mlflow), "--prefect-port", str(prefect))
    addresses = (f"http://127.0.0.1:{mlflow}", f"http://127.0.0.1:{prefect}")
    with serve(tmp_path, f"{addresses[1]}/api/health", *command, PYTHONPATH=str(ROOT)) as process:
        yield process, addresses, wait_for_text(process, tmp_path / "flows-ui.log", "folds under luna5")


@pytest.fixture
def strangers():
    """The ports of two programs of another project: a Prefect, and one that answers nothing of ours."""

    class Prefect(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"home": "/elsewhere/.prefect"}')

        def log_message(self, *_):
            pass

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Prefect) as prefect,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        threading.Thread(target=prefect.serve_forever, daemon=True).start()
        yield other.getsockname()[1], prefect.server_port
        prefect.shutdown()


def test_other_programs_keep_their_ports_a_killed_run_is_shown_as_crashed_and_ctrl_c_ends_all(
    tmp_path, strangers, prefect_database, empty_store
):
    put_prefect_database(prefect_database, tmp_path)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    for name in ("params.yaml", "dvc.yaml", "prefect.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    ephemeral = {"PREFECT_HOME": str(tmp_path / ".prefect"), "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true"}
    subprocess.run([sys.executable, "-c", CUT_OFF], env=os.environ | ephemeral, cwd=tmp_path, check=True)
    mlflow, prefect = map(str, strangers)
    command = ("flows", "ui", "--port", mlflow, "--prefect-port", prefect)
    log = tmp_path / "flows-ui.log"
    with serve(tmp_path, f"http://127.0.0.1:{prefect}/api/health", *command, PYTHONPATH=str(ROOT)) as process:
        printed = wait_for_text(process, log, "Prefect: ")
        pages = re.findall(r"^(?:MLflow|Prefect): +http://127.0.0.1:(\d+)", printed, re.M)
        for server, port, page in zip(("MLflow", "Prefect"), strangers, pages, strict=True):
            assert f"port {port} is taken by another program: {server} takes {page}" in printed
        addresses = f"http://127.0.0.1:{pages[0]}/health", f"http://127.0.0.1:{pages[1]}/api/health"
        assert all(map(answers, addresses))
        runs = httpx.post(f"http://127.0.0.1:{pages[1]}/api/flow_runs/filter", json={}, timeout=60).json()
        assert [run["state_type"] for run in runs] == ["CRASHED"], "a run that was killed is shown as running"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert not any(map(answers, addresses))


def seen(address: str, profile) -> str:
    """The page as Chromium draws it."""
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1500,1200",
        f"--user-data-dir={profile}",
    ]
    command = ["chromium", *options, "--virtual-time-budget=20000", "--dump-dom", address]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium here: apt-get install chromium")
def test_both_servers_start_the_browser_shows_every_fold_unasked_and_ctrl_c_ends_all(pages, tmp_path):
    process, (mlflow, prefect), printed = pages
    assert f"MLflow:  {mlflow}\nPrefect: {prefect} " in printed
    view = re.search(r"folds under luna5: (\S+)", printed)[1]
    table = seen(view.split("?")[0], tmp_path / "chromium")
    assert {name for name in FOLDS if name in table} == FOLDS, (
        "the folds are folded away under their pipeline run"
    )
    compared = seen(view, tmp_path / "chromium")
    assert {name for name in (*FOLDS, "test_accuracy", "test_uar") if name in compared} == {
        *FOLDS,
        "test_accuracy",
        "test_uar",
    }
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    assert not answers(f"{mlflow}/health") and not answers(f"{prefect}/api/health")
