"""Ctrl-C, once or twice, in every kind of stage ends it within ten seconds and leaves no process behind, as
does a terminal that is closed; a fault is said once, in a line.
"""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from mfer_core.cache.code import ROOT
from tests.servers.ports import free_port, put_prefect_database, serve

LIMIT_S = 10
STAGE = """
import gc, os, signal, sys, time
from pathlib import Path

import numpy
from prefect import flow, task
from sklearn.svm import SVC

import flows.stages
import tasks.runner
from flows.__main__ import program
from mfer_core.base import progress
from mfer_core.base.workers import fork_server
from tasks.runner import run_side_by_side


def hold(name):
    Path(name).touch()
    deadline = time.monotonic() + 300
    while not Path("go-on").exists() and time.monotonic() < deadline:
        time.sleep(0.1)


@task
def compute(name: str):
    hold(name)


@task
def fail(name: str):
    if name.startswith("bug"):
        raise ValueError("a bug")
    raise PermissionError(13, "Permission denied", "data/x")


@task
def leave(name: str):
    sys.exit(1)


@task
def die(name: str):
    os.kill(os.getpid(), signal.SIGKILL)


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
    runs |= {"leave": (leave, "local", "processes"), "die": (die, "local", "processes")}
    work, where, pool = runs.get(kind, (compute, "local", "processes"))
    progress.observers.append(lambda *done: print("counted as done:", done))
    list(run_side_by_side(work, calls, where, pool, 2, kind))


tasks.runner.PRELOAD = "prefect"  # These tasks train nothing.
if __name__ == "__main__":
    kind = sys.argv.pop()
    flows.stages.demo = demo
    program()
"""
SECRET = "a-secret-of-the-environment"
KINDS = ("processes", "threads", "dask", "native")


@contextmanager
def prefect_server(folder: Path, port: int) -> Iterator[dict[str, str]]:
    """A Prefect server in ``folder``; yields the environment of what works with it there."""
    api = f"http://127.0.0.1:{port}/api"
    start = ("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with serve(folder, f"{api}/health", *start):
        yield os.environ | {
            **dict.fromkeys(("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD"), SECRET),
            "PATH": path,
            "PYTHONPATH": str(ROOT),
            "PREFECT_API_URL": api,
            "SHELL": "/bin/sh",
        }


def lay_out(folder: Path, prefect_database: Path) -> None:
    """A project whose stage is STAGE, with Prefect's tables."""
    for name in ("params.yaml", "prefect.toml"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "stage.py").write_text(STAGE)
    put_prefect_database(prefect_database, folder)
    stages = [f"  {kind}:\n    cmd: python stage.py demo {kind}\n" for kind in (*KINDS, "fault")]
    (folder / "dvc.yaml").write_text("stages:\n" + "".join(stages))


@pytest.fixture(scope="module")
def project(tmp_path_factory, prefect_database):
    """A folder with a DVC stage of each kind, and a Prefect server for all of them."""
    folder = tmp_path_factory.mktemp("project")
    lay_out(folder, prefect_database)
    with prefect_server(folder, free_port()) as environment:
        subprocess.run(["dvc", "init", "-q", "--no-scm"], cwd=folder, env=environment, check=True)
        yield folder, environment


def begin(project, command: str, kind: str, **streams) -> subprocess.Popen:
    """The command, once a stage of this ``kind`` is at work in it."""
    folder, environment = project
    for mark in folder.glob(f"{kind}-*"):
        mark.unlink()
    process = subprocess.Popen([*command.split(), kind], cwd=folder, env=environment, **streams)
    deadline = time.monotonic() + 600
    while not list(folder.glob(f"{kind}-*")):
        assert process.poll() is None and time.monotonic() < deadline, f"{command} {kind} is not at work"
        time.sleep(0.2)
    return process


@pytest.mark.parametrize(
    ("command", "kind", "presses"),
    [
        *(("dvc repro", kind, 1) for kind in KINDS),
        ("python stage.py demo", "processes", 1),
        ("dvc repro", "processes", 2),
        ("python stage.py demo", "threads", 2),
    ],
)
def test_ctrl_c_ends_a_stage_of_any_kind_within_seconds(project, command, kind, presses):
    process = begin(
        project,
        command,
        kind,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    family = psutil.Process(process.pid).children(recursive=True)
    for press in range(presses):
        time.sleep(0.3 * press)  # as long as an impatient person waits
        with suppress(ProcessLookupError):  # Once was enough.
            os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    output, _ = process.communicate(timeout=LIMIT_S)
    # The second one may meet DVC itself at its end, which the signal then ends.
    assert process.returncode in (130, 255, *([-signal.SIGINT] if presses == 2 else []))
    assert output.count("stopped; the next run goes on where this one ended") == 1, output
    assert "Traceback" not in output
    assert not psutil.wait_procs(family, 3)[1], "an orphan"


def test_a_terminal_that_is_closed_ends_all_and_the_next_run_completes(project):
    folder, environment = project
    terminal, inside = pty.openpty()
    process = begin(
        project,
        "dvc repro",
        "processes",
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
        preexec_fn=in_the_terminal,
    )
    os.close(inside)
    family = psutil.Process(process.pid).children(recursive=True)
    os.close(terminal)  # The system sends SIGHUP.
    assert process.wait(timeout=LIMIT_S) != 0
    assert not psutil.wait_procs(family, 3)[1], "an orphan"
    (folder / "go-on").touch()
    try:
        subprocess.run(["dvc", "repro", "processes"], cwd=folder, env=environment, check=True, timeout=600)
    finally:
        (folder / "go-on").unlink()


def in_the_terminal() -> None:
    """Become what works in the foreground of the terminal that is this process's input."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def run(project, kind: str, command=(sys.executable, "stage.py", "demo")) -> tuple[int, str]:
    folder, environment = project
    command = [*command, kind]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    return result.returncode, result.stdout + result.stderr


def ending(command: str) -> list[str]:
    return [
        "error: permission denied: data/x",
        "done: fault, 0 of 3; this failed first",
        f"go on: once that is mended, `{command}` does the rest",
    ]


def test_a_fault_below_dvc_is_said_once_with_what_is_done_and_the_way_on(project):
    status, output = run(project, "fault", ("dvc", "repro"))
    assert status != 0
    assert "\n".join(ending("dvc repro")) in output
    assert output.lower().count("permission denied") == 1, output


def test_a_fault_in_a_process_of_a_pool_is_said_once_with_what_is_done_and_the_way_on(project):
    status, output = run(project, "fault")
    assert status == 1
    assert output.splitlines()[-3:] == ending("python -m flows demo")
    assert "counted as done" not in output
    assert output.lower().count("permission denied") == 1, output
    assert "Traceback" not in output


def test_a_bug_is_said_once_with_its_traceback_in_the_process_that_had_it(project):
    status, output = run(project, "bug")
    assert status == 1
    assert output.count("ValueError: a bug") == 1, output
    assert "in fail\n" in output[output.index("ValueError: a bug") :]
    assert output.splitlines()[-2:] == [
        "done: bug, 0 of 3; this failed first",
        "go on: once that is mended, `python -m flows demo` does the rest",
    ]


def test_a_process_that_prefect_ends_is_a_line_and_not_waited_for(project):
    status, output = run(project, "leave")
    assert status == 1
    line = output.splitlines()[-3]
    assert line.startswith("error: a task could not go on (Prefect's server did not answer, or refused it)")


def test_a_process_that_the_system_kills_is_a_line(project):
    status, output = run(project, "die")
    assert status == 1 and "Traceback" not in output
    line = output.splitlines()[-3]
    assert line.startswith("error: a task's process was ended from outside: is there memory enough?")


def test_no_log_and_no_record_of_the_runs_above_holds_a_secret_of_the_environment(project):
    status, output = run(project, "bug")
    assert status == 1 and SECRET not in output
    files = [path for path in project[0].rglob("*") if path.is_file() and not path.is_symlink()]
    assert project[0] / ".prefect" / "prefect.db" in files
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_a_prefect_server_that_is_started_anew_in_mid_run_costs_no_result(tmp_path, prefect_database):
    lay_out(tmp_path, prefect_database)
    port, pipes = free_port(), {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with prefect_server(tmp_path, port) as environment:
        process = begin((tmp_path, environment), "python stage.py demo", "processes", **pipes)
        while len(list(tmp_path.glob("processes-*"))) < 2:
            time.sleep(0.1)
    with prefect_server(tmp_path, port):
        (tmp_path / "go-on").touch()
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
