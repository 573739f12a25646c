"""Ctrl-C in every kind of stage ends it within ten seconds and leaves no process behind; a fault is said
once, in a line.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from mfer_core.cache.code import ROOT
from tests.servers.ports import free_port, put_prefect_database, serve

LIMIT_S = 10
STAGE = """
import gc, sys, time
from pathlib import Path

import numpy
from prefect import flow, task
from sklearn.svm import SVC

import flows.stages
import tasks.runner
from flows.__main__ import program
from mfer_core.base.workers import fork_server
from tasks.runner import run_side_by_side


def hold(name):
    Path(name).touch()
    time.sleep(300)


@task
def compute(name: str):
    hold(name)


@task
def fail(name: str):
    if name.startswith("bug"):
        raise ValueError("a bug")
    raise PermissionError(13, "Permission denied", "data/x")


@task
def compute_apart(name: str):
    process = fork_server().Process(target=time.sleep, args=(300,))
    process.start()
    Path(name).touch()
    process.join()


@flow
def demo():
    if kind == "native":
        values = numpy.random.default_rng(0).random((200_000, 3))
        gc.collect()
        Path("native-0").touch()
        SVC(C=1e6, gamma=100.0).fit(values, values[:, 0] > 0.5)  # minutes in C
    calls = [{"name": f"{kind}-{number}"} for number in range(3)]
    runs = {"threads": (compute_apart, "local", "threads"), "dask": (compute, "dask", "processes")}
    runs |= dict.fromkeys(("fault", "bug"), (fail, "local", "processes"))
    work, where, pool = runs.get(kind, (compute, "local", "processes"))
    list(run_side_by_side(work, calls, where, pool, 2, kind))


tasks.runner.PRELOAD = "prefect"  # These tasks train nothing.
if __name__ == "__main__":
    kind = sys.argv.pop()
    flows.stages.demo = demo
    program()
"""
KINDS = ("processes", "threads", "dask", "native")


@pytest.fixture(scope="module")
def project(tmp_path_factory, prefect_database):
    """A folder with a DVC stage of each kind, and a Prefect server for all of them."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("params.yaml", "prefect.toml"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "stage.py").write_text(STAGE)
    put_prefect_database(prefect_database, folder)
    stages = [f"  {kind}:\n    cmd: python stage.py demo {kind}\n" for kind in KINDS]
    (folder / "dvc.yaml").write_text("stages:\n" + "".join(stages))
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    start = ("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
    with serve(folder, f"{api}/health", *start):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        more = {"PATH": path, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": api, "SHELL": "/bin/sh"}
        subprocess.run(["dvc", "init", "-q", "--no-scm"], cwd=folder, env=os.environ | more, check=True)
        yield folder, os.environ | more


@pytest.mark.parametrize(
    ("command", "kind"), [*(("dvc repro", kind) for kind in KINDS), ("python stage.py demo", "processes")]
)
def test_ctrl_c_ends_a_stage_of_any_kind_within_seconds(project, command, kind):
    folder, environment = project
    for mark in folder.glob(f"{kind}-*"):
        mark.unlink()
    process = subprocess.Popen(
        [*command.split(), kind],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 600
    while not list(folder.glob(f"{kind}-*")):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0][-3000:]
        time.sleep(0.2)
    family = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    output, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode in (130, 255)
    assert output.count("stopped; the next run goes on where this one ended") == 1, output
    assert "Traceback" not in output
    assert not psutil.wait_procs(family, 3)[1], "an orphan"


def run(project, kind: str) -> tuple[int, str]:
    folder, environment = project
    command = [sys.executable, "stage.py", "demo", kind]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    return result.returncode, result.stdout + result.stderr


def test_a_fault_in_a_process_of_a_pool_is_said_once(project):
    status, output = run(project, "fault")
    assert status == 1
    assert output.splitlines()[-1] == "error: permission denied: data/x"
    assert output.lower().count("permission denied") == 1, output
    assert "Traceback" not in output


def test_a_bug_keeps_its_traceback(project):
    status, output = run(project, "bug")
    assert status == 1
    assert output.splitlines()[-1] == "ValueError: a bug"
    assert "in fail\n" in output
