"""The servers a person starts by hand, all on loopback. Ctrl-C (or SIGTERM) ends them and all that they started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import psutil

from mfer_core.base.errors import MferError
from mfer_core.base.settings import Tracking

HOST = "127.0.0.1"
POOL = "mfer-pool"
START_TIMEOUT_S = 300  # a first start makes the database, which a busy machine is slow at
END_TIMEOUT_S = 10


def serve_ui(tracking: Tracking, mlflow_port: int, prefect_port: int) -> None:
    """MLflow's pages over the tracking store and Prefect's over the runs of this folder, until interrupted.

    A server that runs already (MLFLOW_TRACKING_URI names one, or `make serve` started Prefect's) is shown as it is.
    """
    from tasks.tracking.pages import fold_views
    from tasks.tracking.store import client, tracking_uri

    with ExitStack() as stack:
        mlflow, prefect = f"http://{HOST}:{mlflow_port}", f"http://{HOST}:{prefect_port}"
        uri = tracking_uri(tracking)
        servers = []
        if uri.startswith("http"):
            mlflow = uri.rstrip("/")
        else:
            client(tracking)  # makes the database, and finds the artifacts of a project that was moved
            os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = (
                "false"  # its queues cost 1.5 GB and serve nothing here
            )
            arguments = [
                "--backend-store-uri",
                uri,
                "--host",
                HOST,
                "--port",
                str(mlflow_port),
                "--workers",
                "1",
            ]
            servers.append((f"{mlflow}/health", stack.enter_context(_running("mlflow", "ui", *arguments))))
        if not _answers(f"{prefect}/api/health"):
            server = stack.enter_context(
                _running("prefect", "server", "start", "--host", HOST, "--port", str(prefect_port))
            )
            servers.append((f"{prefect}/api/health", server))
        for health, server in servers:
            _wait_for(health, server)
        print(
            f"MLflow:  {mlflow}\nPrefect: {prefect}   (Ctrl-C ends both)",
            *(f"  folds under {name}: {page}" for name, page in fold_views(mlflow).items()),
            sep="\n",
            flush=True,
        )
        while all(server.poll() is None for _, server in servers):
            time.sleep(1)
        raise MferError("a server ended by itself: see above")


def serve_prefect(port: int) -> None:
    """A Prefect server, the deployment, and a worker for it, until interrupted."""
    os.environ["PREFECT_API_URL"] = url = f"http://{HOST}:{port}/api"
    with _running("prefect", "server", "start", "--host", HOST, "--port", str(port)) as server:
        _wait_for(f"{url}/health", server)
        _prefect("work-pool", "create", POOL, "--type", "process", "--overwrite")
        _prefect("--no-prompt", "deploy", "--all")
        print(
            f"Prefect: http://{HOST}:{port}   (Ctrl-C ends server and worker). In another terminal:",
            flush=True,
        )
        print(
            f"  export PREFECT_API_URL={url}\n  prefect deployment run mfer/full-pipeline --watch", flush=True
        )
        with _running("prefect", "worker", "start", "--pool", POOL) as worker:
            worker.wait()


@contextmanager
def _running(*module: str) -> Iterator[subprocess.Popen]:
    """A Python module as a process, ended with all its children when the block is left."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    process = subprocess.Popen([sys.executable, "-m", *module])
    try:
        yield process
    finally:
        family = (
            [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            if process.poll() is None
            else []
        )
        for member in family:
            member.terminate()
        for member in psutil.wait_procs(family, END_TIMEOUT_S)[1]:
            member.kill()
        process.wait()


def serve_dask_worker(address: str, workers: int) -> None:
    """Become ``workers`` Dask workers of the scheduler at ``address``, bound to the interface that leads there, until interrupted."""
    from distributed.comm.addressing import get_address_host
    from distributed.utils import get_ip

    os.environ["DASK_DISTRIBUTED__WORKER__DAEMON"] = "False"  # extraction starts processes of its own
    options = [
        "--nworkers",
        str(workers),
        "--nthreads",
        "1",
        "--host",
        get_ip(get_address_host(address)),
        "--no-dashboard",
    ]
    os.execv(sys.executable, [sys.executable, "-m", "distributed.cli.dask_worker", address, *options])


def _prefect(*arguments: str) -> None:
    if status := subprocess.run([sys.executable, "-m", "prefect", *arguments], check=False).returncode:
        raise MferError(f"prefect {' '.join(arguments)} ended with status {status}")


def _answers(health: str) -> bool:
    try:
        return httpx.get(health, timeout=5).is_success
    except httpx.TransportError:
        return False


def _wait_for(health: str, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not _answers(health):
        if server.poll() is not None or time.monotonic() > deadline:
            raise MferError(f"the server of {health} did not start: is the port taken?")
        time.sleep(0.3)
