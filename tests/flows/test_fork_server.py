"""A stage in a fork has the libraries, and its own code, streams, environment and end."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from mfer_core.cache.code import ROOT

LIMIT_S = 60
# A project of its own: what `python -m flows` imports there is this.
STAGE = """
import os, sys, time
print(sys.argv[1:], os.environ["MARK"], "colorsys" in sys.modules, CODE, sys.stdin.read(), flush=True)
print("as an error", file=sys.stderr)
if sys.argv[1] == "hold":
    from multiprocessing import get_context
    get_context("forkserver").Process(target=time.sleep, args=(LIMIT,), daemon=True).start()
    try:
        open("held", "w").close()
        time.sleep(LIMIT)
    except KeyboardInterrupt:
        sys.exit(130)
sys.exit(int(sys.argv[2]))
"""
SERVER = """
import sys
from pathlib import Path
from flows import fork_server
fork_server.EVERY_STAGE = ("colorsys",)  # a small one that nothing else needs
fork_server.SOME_STAGES = ()
if job := fork_server.ForkServer(Path(sys.argv[1])).serve():
    fork_server.run(job)
"""
CLIENT = """
import sys
from flows.fork_client import run_in_fork
status = run_in_fork(sys.argv[1:])
sys.exit("no server" if status is None else status)
"""


def write_stage(code: int) -> None:
    Path("flows/__main__.py").write_text(STAGE.replace("CODE", str(code)).replace("LIMIT", str(LIMIT_S)))


def start(command: str, *arguments: str, **more: str) -> subprocess.Popen:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(
        [sys.executable, "-c", command, *arguments], env=os.environ | more, text=True, **pipes
    )


def wait_for(condition, what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as server:
        return not server.connect_ex(str(path))


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A fork server in a folder whose package `flows` is this project's, but for the program."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flows").mkdir()
    for file in (ROOT / "flows").glob("*.py"):
        (tmp_path / "flows" / file.name).symlink_to(file)
    (tmp_path / "flows" / "__main__.py").unlink()
    write_stage(1)
    (tmp_path / ".prefect").mkdir()
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    monkeypatch.setenv("MARK", "of the server")
    found = subprocess.run(
        [sys.executable, "-c", "from flows.fork_client import address; print(address())"],
        capture_output=True,
        text=True,
        check=True,
    )
    path = Path(found.stdout.strip())
    process = start(SERVER, str(path))
    # The mark of a run, without which the server ends.
    mark = start("import psutil; from tasks.processes import mark; mark(psutil.Process()); input()")
    wait_for(
        lambda: list(Path(".prefect/working").glob("[0-9]*")) and answers(path), "the server did not start"
    )
    yield process, path, mark
    for one in (process, mark):
        one.kill()
        one.communicate()


def ask(*arguments: str, given: str = "", **more: str) -> tuple[int, str, str]:
    """Exit status, output and errors of who asks the server."""
    client = start(CLIENT, *arguments, **more)
    output, errors = client.communicate(given, timeout=LIMIT_S)
    return client.returncode, output, errors


def held(server: subprocess.Popen) -> tuple[subprocess.Popen, list[psutil.Process]]:
    """Who asked for a fork that goes on until it is ended, and all processes of the fork."""
    client = start(CLIENT, "hold", "0")
    client.stdin.close()
    wait_for(Path("held").exists, "the fork did not start")
    family = psutil.Process(server.pid).children(recursive=True)
    assert len(family) >= 3, "the fork, multiprocessing's fork server in it and a process of that"
    return client, family


def test_a_fork_has_the_libraries_and_all_else_of_who_asked_and_the_code_as_it_lies_there_now(server):
    assert ask("go", "3", given="words", MARK="mine") == (
        3,
        "['go', '3'] mine True 1 words\n",
        "as an error\n",
    )
    write_stage(22)
    assert ask("go", "0", MARK="my") == (0, "['go', '0'] my True 22 \n", "as an error\n")


def test_ctrl_c_and_the_end_of_who_asked_end_the_fork_and_its_workers(server):
    client, family = held(server[0])
    client.send_signal(signal.SIGINT)
    assert client.wait(LIMIT_S) == 130
    wait_for(lambda: not any(map(psutil.Process.is_running, family)), "the fork outlived Ctrl-C")
    Path("held").unlink()
    client, family = held(server[0])
    client.kill()
    wait_for(lambda: not any(map(psutil.Process.is_running, family)), "the fork outlived who asked")


def test_a_server_that_is_killed_is_said_and_the_next_stage_does_without(server):
    client, family = held(server[0])
    server[0].kill()
    assert client.wait(LIMIT_S) == 1
    for process in filter(psutil.Process.is_running, family):
        process.kill()  # a worker, which a library's own watchdog would end
    assert "the fork server of this run was ended from outside" in client.stderr.read()
    assert ask("go", "0") == (1, "", "no server\n")


def test_the_server_ends_with_the_run_and_serves_only_who_has_its_environment(server):
    process, path, mark = server
    assert ask("go", "0", OMP_NUM_THREADS="7") == (1, "", "no server\n")
    mark.kill()
    assert process.wait(LIMIT_S) == 0 and not path.exists()
