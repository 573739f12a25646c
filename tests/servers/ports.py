"""Servers started by tests: a free port, and a process that answers before the test goes on."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

START_TIMEOUT_S = 180


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serve(folder: Path, health: str, *module: str, **environment: str) -> Iterator[subprocess.Popen]:
    """``python -m MODULE ...`` in ``folder`` until the block is left; yields once ``health`` answers."""
    log = folder / f"{module[0]}-{module[1]}.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *module], cwd=folder, env=os.environ | environment, stdout=file, stderr=file, start_new_session=True
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not answers(health):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.2)
        yield process
    finally:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
        for member in family:
            member.terminate()
        for member in psutil.wait_procs(family, 10)[1]:
            member.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False
