"""One local Prefect API for all stages of a `dvc repro` that no server was started for.

The first stage starts it on loopback, the others find it, and it ends with the processes that use it. With
PREFECT_API_URL set (a real server) none of this runs. `prefect server start --background` would outlive its
users, and a power cut would leave a mark that keeps the next one from starting. The server of `mfer serve` is
found in the same way.
"""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from filelock import FileLock

from flows.servers import (
    HOST,
    RECORD,
    answers,
    end_former_runs,
    free_port,
    prefect_server,
    running,
    serves_this_folder,
)
from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json, write_json
from mfer_core.base.parent_watchdog import POLL_S
from tasks.processes import HOME, living, mark, owner

# A process leaves its mark within this time after its run's start; runs that started later are not ended.
MARKED_WITHIN = timedelta(minutes=2)
START_TIMEOUT_S = 300  # A start takes seconds; a busy machine is slow at making the database.
BUSY_S = 120.0  # A server on a busy machine takes the connection at once and answers late.


def ensure_api() -> None:
    """Set PREFECT_API_URL to a running API, starting one if need be. Raises MferError when it does not come
    up.
    """
    if url := os.environ.get("PREFECT_API_URL"):
        if not answers(f"{url}/health", BUSY_S):
            raise MferError(f"no Prefect server answers at {url}: start it, or unset PREFECT_API_URL")
        return
    mark(owner())
    with FileLock(HOME / "api.lock"):
        url = _url(_recorded_port())
        if not serves_this_folder(url.removesuffix("/api"), BUSY_S):
            port = free_port()
            url = _url(port)
            _start(port, url)
            write_json(RECORD, {"port": port})
    os.environ["PREFECT_API_URL"] = url


def _url(port: int) -> str:
    return f"http://{HOST}:{port}/api"


def _recorded_port() -> int:
    """Where the last API was started; 0, where none answers, when the record is missing or broken (a full
    disk, a power cut).
    """
    try:
        return int(read_json(RECORD)["port"])
    except (MferError, TypeError, KeyError, ValueError):
        return 0


def _start(port: int, url: str) -> None:
    """Start the keeper (this module as a program) in a session of its own; returns once the API answers."""
    log = HOME.absolute() / "api.log"
    with log.open("w") as file:
        command = [sys.executable, "-m", "flows.local_api", str(port)]
        keeper = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not answers(f"{url}/health"):
        if keeper.poll() is not None or time.monotonic() > deadline:
            raise MferError(f"the local Prefect API did not start: see {log}")
        time.sleep(0.2)
    end_former_runs(url, datetime.now(UTC) - MARKED_WITHIN, {owner().pid})


def keep(port: int) -> None:
    """Run the server until nobody uses it."""
    with running(*prefect_server(port)) as server:
        while server.poll() is None:
            # A process that asks for the API meanwhile waits for the lock, and starts the next server.
            with FileLock(HOME / "api.lock"):
                if not living():
                    server.terminate()
                    server.wait()
            time.sleep(POLL_S)


if __name__ == "__main__":
    keep(int(sys.argv[1]))
