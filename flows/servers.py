"""The servers a person starts by hand, all on loopback."""

import os
import subprocess
import sys
import time

import httpx

from mfer_core.errors import MferError
from mfer_core.settings import Tracking

HOST = "127.0.0.1"
POOL = "mfer-pool"
START_TIMEOUT_S = 120


def serve_mlflow(tracking: Tracking, port: int) -> None:
    """The MLflow UI over the tracking store, until interrupted."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or tracking.uri
    print(f"MLflow: http://{HOST}:{port}   (Ctrl-C ends it)", flush=True)
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # its queues cost 1.5 GB and serve nothing here
    command = ["mlflow", "ui", "--backend-store-uri", uri, "--host", HOST, "--port", str(port), "--workers", "1"]
    subprocess.run([sys.executable, "-m", *command], check=False)


def serve_prefect(port: int) -> None:
    """A Prefect server, the deployment, and a worker for it, until interrupted."""
    os.environ["PREFECT_API_URL"] = url = f"http://{HOST}:{port}/api"
    server = _prefect_start("server", "start", "--host", HOST, "--port", str(port))
    try:
        _wait_for(url, server)
        _prefect("work-pool", "create", POOL, "--type", "process", "--overwrite")
        _prefect("--no-prompt", "deploy", "--all")
        print(f"Prefect: http://{HOST}:{port}   (Ctrl-C ends server and worker). In another terminal:", flush=True)
        print(f"  export PREFECT_API_URL={url}\n  prefect deployment run mfer/full-pipeline --watch", flush=True)
        _prefect("worker", "start", "--pool", POOL)
    finally:
        server.terminate()
        server.wait()


def serve_dask_worker(address: str, workers: int) -> None:
    """Become ``workers`` Dask workers of the scheduler at ``address``, bound to the interface that leads there, until interrupted."""
    from distributed.comm.addressing import get_address_host
    from distributed.utils import get_ip

    os.environ["DASK_DISTRIBUTED__WORKER__DAEMON"] = "False"  # extraction starts processes of its own
    options = ["--nworkers", str(workers), "--nthreads", "1", "--host", get_ip(get_address_host(address)), "--no-dashboard"]
    os.execv(sys.executable, [sys.executable, "-m", "distributed.cli.dask_worker", address, *options])


def _prefect_start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "prefect", *arguments])


def _prefect(*arguments: str) -> None:
    if status := subprocess.run([sys.executable, "-m", "prefect", *arguments], check=False).returncode:
        raise MferError(f"prefect {' '.join(arguments)} ended with status {status}")


def _wait_for(url: str, server: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            if httpx.get(f"{url}/health", timeout=5).is_success:
                return
        except httpx.TransportError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise MferError(f"the Prefect server did not start on {url}: is the port taken?") from None
        time.sleep(0.3)
