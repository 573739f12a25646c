"""`make serve` with a real server and worker: after a power cut it goes on, a schedule runs, a dead worker is
said.
"""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from mfer_core.cache.code import ROOT
from tests.servers.ports import free_port, put_prefect_database
from tests.waiting import wait_for, wait_for_text

STAGE = """
import pathlib, sys, time

while pathlib.Path("hold").exists():
    time.sleep(0.2)
if pathlib.Path("full").exists():
    sys.exit("error: the disk is full\\ndone: slow, 1 of 2")
"""
FAILED = [
    "error: slow stopped: the disk is full (slow, 1 of 2)",
    "done: stages: 0 ran, 0 up to date, 0 not started",
    "go on: once that is mended, `prefect deployment run mfer/full-pipeline -p force=true` does the rest",
]
PIPELINE = """
stages:
  slow:
    desc: a stage that lasts for as long as the file `hold` is there
    cmd: python stage.py
    params: [seed]
"""


@pytest.fixture
def project(tmp_path, prefect_database):
    """A project of one stage, outside git."""
    for name in ("params.yaml", "prefect.toml", "prefect.yaml", "profiles", "flows"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "stage.py").write_text(STAGE)
    put_prefect_database(prefect_database, tmp_path)
    subprocess.run(["dvc", "init", "-q", "--no-scm"], cwd=tmp_path, check=True, env=environment())
    return tmp_path


def environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "PREFECT_WORKER_QUERY_SECONDS": "1"}


@contextmanager
def serving(project, port: int):
    """`python -m flows serve` once the deployment is there; its family is gone afterwards."""
    log = project / "serve.log"
    with log.open("w") as file:
        command = [sys.executable, "-m", "flows", "serve", "--port", str(port)]
        process = subprocess.Popen(command, cwd=project, env=environment(), stdout=file, stderr=file)
    try:
        wait_for_text(process, log, "prefect deployment run")
        yield process
    finally:
        kill_family(process)


def kill_family(process: subprocess.Popen) -> list[psutil.Process]:
    """A power cut: SIGKILL for the process and all below it."""
    family = [*psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
    process.kill()
    for member in family:
        member.kill()
    psutil.wait_procs(family, 10)
    process.wait()
    return family


def states(api: str) -> list[str]:
    """Of the parent flow's runs that are no longer waiting for their time, oldest first."""
    runs = post(api, "flow_runs/filter", {"sort": "EXPECTED_START_TIME_ASC"})
    return [run["state_type"] for run in runs if run["state_type"] != "SCHEDULED"]


def endings(text: str) -> list[str]:
    """The lines that say how a run failed, and by what it goes on."""
    starts = ("error: ", "done: ", "go on: ")
    return [line[at:] for line in text.splitlines() for at in map(line.find, starts) if at >= 0]


def logged(api: str, which) -> str:
    """The messages of some of Prefect's logs."""
    return "\n".join(entry["message"] for entry in post(api, "logs/filter", which))


def deployment(api: str) -> str:
    """The number of mfer/full-pipeline."""
    return httpx.get(f"{api}/deployments/name/mfer/full-pipeline", timeout=30).raise_for_status().json()["id"]


def post(api: str, path: str, content):
    """The answer, once the server does not say (503) that it is to be asked again, as Prefect's client
    does.
    """

    def ask() -> httpx.Response | None:
        answer = httpx.post(f"{api}/{path}", json=content, timeout=30)
        return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer

    return wait_for(ask, f"{path} is answered").raise_for_status().json()


def test_after_a_power_cut_serve_goes_on_a_failed_run_is_said_once_a_schedule_runs_a_dead_worker_ends_it(
    project,
):
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    (project / "hold").touch()
    with serving(project, port) as first:
        post(api, f"deployments/{deployment(api)}/create_flow_run", {})
        wait_for(lambda: "stage 'slow'" in (project / "serve.log").read_text(), "the stage runs")
        assert states(api) == ["RUNNING"]
        assert len(kill_family(first)) >= 5  # server, worker, flow, dvc, stage
    (project / "hold").unlink()
    with serving(project, port) as second:
        assert states(api) == ["CRASHED"]
        (project / "full").touch()
        asked = {"parameters": {"force": True}}
        run = post(api, f"deployments/{deployment(api)}/create_flow_run", asked)["id"]
        wait_for(lambda: "FAILED" in states(api), "a run fails")
        (project / "full").unlink()
        log = {"logs": {"flow_run_id": {"any_": [run]}}}
        wait_for(lambda: endings(logged(api, log)) == FAILED, "the run's log says how to go on")
        said = (project / "serve.log").read_text()
        assert endings(said) == FAILED and said.count("the disk is full") == 1, said
        every_few_seconds = {"schedule": {"interval": 8}, "active": True}
        post(api, f"deployments/{deployment(api)}/schedules", [every_few_seconds])
        wait_for(lambda: "COMPLETED" in states(api), "a scheduled run completes", limit_s=150)
        (worker,) = (one for one in psutil.Process(second.pid).children() if "worker" in one.cmdline())
        worker.send_signal(signal.SIGKILL)
        assert second.wait(timeout=60) == 1
    assert (
        (project / "serve.log").read_text().splitlines()[-1].startswith("error: the worker ended by itself")
    )
    assert (project / "dvc.lock").exists()
