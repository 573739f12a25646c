"""A stage in a fork of this run's fork server (flows/fork_server.py), and how that server is started."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from mfer_core.base.errors import MferError
from tasks.processes import ASKER_VARIABLE, HOME

START_TIMEOUT_S = 60  # It answers before it imports the libraries; a busy machine is slow at starting Python.
# Variables that libraries read while they are imported: a stage with others runs in its own process.
READ_AT_IMPORT = ("OMP_", "MKL_", "OPENBLAS_", "CUDA_", "TORCH", "PYTORCH", "LD_", "PYTHON", "HF_", "MLFLOW_")


@dataclass(frozen=True)
class Job:
    """What a fork is to run in place of the process that asked."""

    arguments: list[str]
    environment: dict[str, str]
    path: list[str]


def is_stage_below_dvc() -> bool:
    """Whether this process was started as the command of a stage, and not by the server."""
    return "DVC_STAGE" in os.environ and ASKER_VARIABLE not in os.environ


def address() -> Path:
    """The server's socket for this environment of variables and packages."""
    read = sorted(item for item in os.environ.items() if item[0].startswith(READ_AT_IMPORT))
    digest = hashlib.sha256(repr((read, sys.prefix, sys.version)).encode()).hexdigest()
    # A relative path, because the address of a socket is short.
    return HOME / f"fork-{digest[:12]}.sock"


def run_in_fork(arguments: list[str]) -> int | None:
    """Run the program in a fork of the server; returns its exit status, None where no server answers.

    The fork joins this process's group, so that a terminal's keys reach it. SIGINT and SIGTERM to this
    process alone are passed on, and the fork also ends when this process is killed.
    """
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(str(address()))
        except OSError:
            return None
        job = Job(arguments, {**os.environ, ASKER_VARIABLE: str(os.getpid())}, sys.path)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        socket.send_fds(server, [b"\n"], [0, 1, 2])
        server.sendall(json.dumps(vars(job)).encode() + b"\n")
        answers = server.makefile()
        try:
            fork = int(answers.readline())
        except ValueError:  # The server ended before it forked.
            return None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: _send(fork, number))
        if status := answers.readline():
            return int(status)
        _send(fork, signal.SIGKILL)
        print("error: the fork server of this run was ended from outside: run it again", file=sys.stderr)
        return 1


def _send(process: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def ensure_fork_server() -> None:
    """Start the server of this run in the background, unless it is there. It ends with the run.

    Raises MferError when it does not come up.
    """
    if sys.platform == "darwin":
        return  # Apple's frameworks crash in the fork of a process that has used them; stages start as usual.
    path, log = address(), HOME / "fork_server.log"
    with FileLock(HOME / "fork_server.lock"):
        if _answers(path):
            return
        with log.open("w") as file:
            command = [sys.executable, "-m", "flows.fork_server", str(path)]
            none = subprocess.DEVNULL
            server = subprocess.Popen(command, stdin=none, stdout=file, stderr=file, process_group=0)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _answers(path):
            if server.poll() is not None or time.monotonic() > deadline:
                raise MferError(f"the fork server of this run did not start: see {log}")
            time.sleep(0.02)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as server:
        return not server.connect_ex(str(path))
