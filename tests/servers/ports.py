"""Servers started by tests: a free port, and a process that answers before the test goes on."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from tests.waiting import wait_in

CLIENT = httpx.Client(timeout=5)  # One for all: each reads the certificates.


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def put_prefect_database(database: Path, project: Path) -> None:
    """Give a project Prefect's database with its tables, so that a server that starts there makes none."""
    (project / ".prefect").mkdir()
    shutil.copy(database, project / ".prefect" / database.name)


@contextmanager
def serve(folder: Path, health: str, *module: str, **environment: str) -> Iterator[subprocess.Popen]:
    """``python -m MODULE ...`` in ``folder`` until the block is left; yields once ``health`` answers."""
    log = folder / f"{module[0]}-{module[1]}.log"
    # A test run in the background ignores Ctrl-C, and so would what it starts.
    ctrl_c = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with log.open("w") as file:
            command, surroundings = [sys.executable, "-m", *module], os.environ | environment
            process = subprocess.Popen(
                command, cwd=folder, env=surroundings, stdout=file, stderr=file, start_new_session=True
            )
    finally:
        signal.signal(signal.SIGINT, ctrl_c)
    try:
        wait_in(process, log, lambda: answers(health), f"{health} answers")
        yield process
    finally:
        family = (
            [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            if process.poll() is None
            else []
        )
        for member in family:
            member.terminate()
        for member in psutil.wait_procs(family, 10)[1]:
            member.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return CLIENT.get(url).is_success
    except httpx.TransportError:
        return False
