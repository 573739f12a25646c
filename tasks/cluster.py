"""Dask: a cluster of this machine's own, or a running one by its scheduler's address."""

import logging
from collections.abc import Callable

import dask
from prefect.settings import PREFECT_API_URL
from prefect_dask import DaskTaskRunner

from mfer_core.base.errors import MferError
from mfer_core.cache.code import project_digest

# Extraction starts processes, which Dask's workers may not by default.
WORKER_SETTINGS = {"distributed.worker.daemon": False}
START_TIMEOUT_S = 30
_server = ""  # the Prefect server that this process, a worker, last computed for


def dask_runner(address: str, workers: int) -> DaskTaskRunner:
    """``address``: "dask" for a cluster of ``workers`` processes here and now, else the address of a running
    scheduler.
    """
    if address != "dask":
        return DaskTaskRunner(address=address, client_kwargs={"timeout": START_TIMEOUT_S})
    dask.config.set(WORKER_SETTINGS)
    # Dask would otherwise log a line for each connection.
    logging.getLogger("distributed").setLevel(logging.WARNING)
    local = {"n_workers": workers, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    return DaskTaskRunner(cluster_class="distributed.LocalCluster", cluster_kwargs=local)


def check_workers(runner: DaskTaskRunner) -> None:
    """Wait for a worker, look that all of them run this very code in a project's folder and may start
    processes, and let them work with this run's Prefect server.

    Raises MferError naming the workers at fault.
    """
    try:
        client = runner.client
        client.wait_for_workers(1, timeout=START_TIMEOUT_S)
    except (OSError, TimeoutError) as error:
        address = runner.address or "the local cluster"
        raise MferError(
            f"no Dask scheduler with a worker answers at {address}: see docs/cluster.md for how they are "
            "started"
        ) from error
    code = project_digest()
    faults = {
        worker: answer if " " in answer else "runs other code than this process: restart it"
        for worker, answer in client.run(_state_of_worker()).items()
        if answer != code
    }
    if faults:
        raise MferError(
            "these Dask workers cannot take part: "
            + "; ".join(f"{worker} {why}" for worker, why in sorted(faults.items()))
        )
    client.run(leave_former_server, PREFECT_API_URL.value() or "")


def leave_former_server(server: str) -> None:
    """End what Prefect keeps in this process, a worker, for another server than the one at ``server``.

    Events and limits of concurrency go through services that Prefect makes once in a process, with the
    address of that moment. Workers outlive runs, and the server of a run outlives none: the next run's tasks
    would ask a server that is gone, and fail.
    """
    global _server
    from prefect._internal.concurrency.services import _QueueServiceBase

    if server != _server:
        services = _QueueServiceBase._instances  # type: ignore[misc]  # of all its subclasses
        for service in [*services.values()]:
            service._stop()
        _server = server


def _state_of_worker() -> Callable[[], str]:
    """A function that is pickled by value, so that a worker without the project can run it."""

    def state() -> str:
        import multiprocessing
        from pathlib import Path

        try:
            from mfer_core.cache.code import project_digest
        except ImportError as error:
            return f"cannot import the project ({error})"
        if not Path("dvc.yaml").is_file():
            return f"was started in {Path.cwd()}, not in the project's folder"
        if multiprocessing.current_process().daemon:
            return "was started without DASK_DISTRIBUTED__WORKER__DAEMON=False"
        return project_digest()

    return state
