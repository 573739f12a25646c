"""The servers a person starts by hand, all on loopback. Ctrl-C (or SIGTERM) ends them and all that they
started.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Set
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import psutil

from mfer_core.base.errors import MferError
from mfer_core.base.files import write_json
from tasks.processes import HOME, check_writable, living

if TYPE_CHECKING:
    from mfer_core.base.settings import Tracking

HOST = "127.0.0.1"
POOL = "mfer-pool"
RECORD = HOME / "api.json"  # where this folder's Prefect was started last, by `serve` or by a run
START_TIMEOUT_S = 300  # A first start makes the database, which takes long on a busy machine.
END_TIMEOUT_S = 10
ANSWER_S = 5.0
SCHEDULER_S = 30


def serve_ui(tracking: "Tracking", mlflow_port: int, prefect_port: int) -> None:
    """MLflow's pages over the tracking store and Prefect's over the runs of this folder, until interrupted.

    A server that runs already (MLFLOW_TRACKING_URI names one, or `make serve` started Prefect's) is shown as
    it is. A port that another program has is left to it.
    """
    check_writable()
    from tasks.tracking.pages import fold_views
    from tasks.tracking.store import client, tracking_uri

    with ExitStack() as stack:
        servers, uri = {}, tracking_uri(tracking)
        mlflow = uri.rstrip("/")
        if not uri.startswith("http"):
            # The call makes the database, and finds the artifacts of a project that was moved.
            client(tracking)
            port = _port_for("MLflow", mlflow_port)
            mlflow = f"http://{HOST}:{port}"
            server = stack.enter_context(running(*_mlflow_server(uri, port)))
            servers[f"{mlflow}/health"] = server
        prefect = f"http://{HOST}:{prefect_port}"
        if not serves_this_folder(prefect):
            port = _port_for("Prefect", prefect_port)
            prefect = f"http://{HOST}:{port}"
            servers[f"{prefect}/api/health"] = stack.enter_context(running(*prefect_server(port)))
        for health, server in servers.items():
            _wait_for(health, server)
        if f"{prefect}/api/health" in servers:
            end_former_runs(f"{prefect}/api", started_before=datetime.now(UTC))
        print(
            f"MLflow:  {mlflow}\nPrefect: {prefect}   (Ctrl-C ends both)",
            *(f"  folds under {name}: {page}" for name, page in fold_views(mlflow).items()),
            sep="\n",
            flush=True,
        )
        _wait_until_one_ends({health.split("/")[2]: server for health, server in servers.items()})


def serve_prefect(port: int) -> None:
    """A Prefect server, the deployment, and a worker for it, until interrupted."""
    check_writable()
    if not _is_free(port):
        whose = "this project's Prefect" if serves_this_folder(f"http://{HOST}:{port}") else "another program"
        raise MferError(f"port {port} is taken by {whose}: end it, or choose another port with --port")
    os.environ["PREFECT_API_URL"] = url = f"http://{HOST}:{port}/api"
    with running(*prefect_server(port)) as server:
        _wait_for(f"{url}/health", server)
        write_json(RECORD, {"port": port})  # What runs here uses it: SQLite takes two servers badly.
        end_former_runs(url, started_before=datetime.now(UTC))
        _prefect("work-pool", "create", POOL, "--type", "process", "--overwrite")
        _prefect("--no-prompt", "deploy", "--all")
        print(
            f"Prefect: http://{HOST}:{port}   (Ctrl-C ends server and worker). In another terminal:",
            f"  export PREFECT_API_URL={url}\n  prefect deployment run mfer/full-pipeline --watch",
            sep="\n",
            flush=True,
        )
        # One run at a time is the worker's rule: a limit that the server counts would outlive a power cut.
        with running("prefect", "worker", "start", "--pool", POOL, "--limit", "1") as worker:
            _wait_until_one_ends({"Prefect server": server, "worker": worker})


def prefect_server(port: int) -> tuple[str, ...]:
    """A Prefect server on loopback as a module with its arguments."""
    return ("prefect", "server", "start", "--host", HOST, "--port", str(port))


def _mlflow_server(tracking_uri: str, port: int) -> tuple[str, ...]:
    # MLflow's job queues take 1.5 GB and serve nothing here.
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    # Everybody on this machine can read a command line, and the address may hold a password.
    os.environ["MLFLOW_BACKEND_STORE_URI"] = tracking_uri
    return ("mlflow", "ui", "--host", HOST, "--port", str(port), "--workers", "1")


@contextmanager
def running(*module: str) -> Iterator[subprocess.Popen]:
    """A Python module as a process, ended with all its children when the block is left or this process
    dies.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    command = [sys.executable, "-m", "mfer_core.base.parent_watchdog", str(os.getpid()), *module]
    # Prefect's home is absolute here, so that its server can be asked whose it is.
    process = subprocess.Popen(command, env=os.environ | {"PREFECT_HOME": str(HOME.absolute())})
    try:
        yield process
    finally:
        family = []
        if process.poll() is None:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for member in family:
            member.terminate()
        for member in psutil.wait_procs(family, END_TIMEOUT_S)[1]:
            member.kill()
        process.wait()


def end_former_runs(url: str, started_before: datetime, mine: Set[int] = frozenset()) -> None:
    """Show runs that were cut off (a power cut, kill -9) as crashed, unless a process other than ``mine``
    works here.

    Runs that started later are left alone: their process may be about to leave its mark.
    """
    if {process.pid for process in living()} - mine:
        return
    unfinished = {
        "state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}},
        "expected_start_time": {"before_": started_before.isoformat()},
    }
    with httpx.Client(base_url=url, timeout=60) as api:
        for kind in ("flow_runs", "task_runs"):
            while runs := api.post(f"/{kind}/filter", json={kind: unfinished}).raise_for_status().json():
                for run in runs:
                    ended = "CANCELLED" if run["state_type"] == "CANCELLING" else "CRASHED"
                    state = {"type": ended, "message": "Its process ended without a word."}
                    answer = api.post(f"/{kind}/{run['id']}/set_state", json={"state": state, "force": True})
                    answer.raise_for_status()


def answers(health: str, patience_s: float | None = None) -> bool:
    """Whether a server is there and well; one that takes the connection has ``patience_s`` seconds (else
    ANSWER_S) to answer.
    """
    try:
        return httpx.get(health, timeout=httpx.Timeout(patience_s or ANSWER_S, connect=ANSWER_S)).is_success
    except (httpx.TransportError, httpx.InvalidURL):
        return False


def free_port() -> int:
    """A port that the system says is free."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _port_for(server: str, port: int) -> int:
    """``port``, or a free one where another program has it, which is said."""
    if _is_free(port):
        return port
    other = free_port()
    print(f"port {port} is taken by another program: {server} takes {other}", file=sys.stderr, flush=True)
    return other


def serves_this_folder(prefect: str, patience_s: float | None = None) -> bool:
    """Whether the Prefect at this address keeps the runs of this folder; for ``patience_s`` see
    ``answers``.
    """
    patience = httpx.Timeout(patience_s or ANSWER_S, connect=ANSWER_S)
    try:
        settings = httpx.get(f"{prefect}/api/admin/settings", timeout=patience).json()
        return settings["home"] == str(HOME.absolute())
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return False


def _wait_for(health: str, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not answers(health):
        if server.poll() is not None or time.monotonic() > deadline:
            raise MferError(f"the server of {health} did not start: its lines above say why")
        time.sleep(0.3)


def _wait_until_one_ends(servers: dict[str, subprocess.Popen]) -> None:
    """Raises MferError naming the one that ended; waits for Ctrl-C where there is none."""
    while True:
        for name, server in servers.items():
            if server.poll() is not None:
                raise MferError(f"the {name} ended by itself (status {server.returncode}): start it again")
        time.sleep(0.5)


def _prefect(*arguments: str) -> None:
    if status := subprocess.run([sys.executable, "-m", "prefect", *arguments], check=False).returncode:
        raise MferError(f"prefect {' '.join(arguments)} ended with status {status}: its lines above say why")


def serve_dask_worker(address: str, workers: int) -> None:
    """Become ``workers`` Dask workers of the scheduler at ``address``, bound to the interface that leads
    there, until interrupted.
    """
    interface = _interface_to(address)
    os.environ["DASK_DISTRIBUTED__WORKER__DAEMON"] = "False"  # extraction starts processes of its own
    options = ["--nworkers", str(workers), "--nthreads", "1", "--host", interface, "--no-dashboard"]
    os.execv(sys.executable, [sys.executable, "-m", "dask", "worker", address, *options])


def _interface_to(address: str) -> str:
    """This machine's own address on the way to a Dask scheduler. Raises MferError where none answers."""
    try:
        parts = urlsplit(address)
        scheduler = parts.hostname, parts.port
        is_whole = parts.scheme in ("tcp", "tls") and None not in scheduler
    except ValueError:  # the port is no number
        is_whole = False
    if not is_whole:
        raise MferError(
            f"{address!r} is no scheduler's address: write tcp://HOST:PORT, as `dask scheduler` prints it"
        )
    deadline = time.monotonic() + SCHEDULER_S
    while True:
        try:
            with socket.create_connection(scheduler, timeout=SCHEDULER_S) as connection:
                return connection.getsockname()[0]
        except OSError as error:
            if not isinstance(error, ConnectionRefusedError) or time.monotonic() > deadline:
                raise MferError(
                    f"no Dask scheduler answers at {address}: {error.strerror or error}"
                ) from error
            time.sleep(0.5)  # The server may be about to start.
