"""One local Prefect API for all stages of a `dvc repro` that no server was started for.

The first stage starts it on loopback, the others find it, and it ends with the processes that use it. With
PREFECT_API_URL set (a real server) none of this runs.
"""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
from filelock import FileLock

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json, write_json
from mfer_core.base.lifeline import POLL_S, owner

HOME = Path(".prefect").absolute()
RECORD = HOME / "api.json"
USERS = HOME / "users"
START_TIMEOUT_S = 300  # seconds usually; a busy machine is slow at making the database


def ensure_api() -> None:
    """Set PREFECT_API_URL to a running API, starting one if need be. Raises MferError when it does not come up."""
    if os.environ.get("PREFECT_API_URL"):
        return
    USERS.mkdir(parents=True, exist_ok=True)
    (USERS / str(owner().pid)).touch()
    with FileLock(HOME / "api.lock"):
        port = read_json(RECORD)["port"] if RECORD.exists() else 0
        if not _answers(port):
            port = _start()
            write_json(RECORD, {"port": port})
    os.environ["PREFECT_API_URL"] = _url(port)


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/api"


def _answers(port: int) -> bool:
    try:
        return port > 0 and httpx.get(f"{_url(port)}/health", timeout=5).is_success
    except httpx.TransportError:
        return False


def _start() -> int:
    """Start the keeper (this module as a program) in a session of its own; returns the port once the API answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = HOME / "api.log"
    with log.open("w") as file:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "flows.api", str(port)], stdout=file, stderr=file, start_new_session=True
        )
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _answers(port):
        if keeper.poll() is not None or time.monotonic() > deadline:
            raise MferError(f"the local Prefect API did not start: see {log}")
        time.sleep(0.2)
    return port


def _users() -> list[Path]:
    """The registered processes that still live; the marks of the others are removed."""
    alive = []
    for mark in USERS.iterdir():
        if psutil.pid_exists(int(mark.name)):
            alive.append(mark)
        else:
            mark.unlink(missing_ok=True)
    return alive


def keep(port: int) -> None:
    """Run the server until nobody uses it."""
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command)
    try:
        while server.poll() is None and _users():
            time.sleep(POLL_S)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    keep(int(sys.argv[1]))
