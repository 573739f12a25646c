"""One shrunk pipeline for all tests of this folder, which one worker runs: minutes of work, done once.

The files run in the order of their names: test_deployment.py, the last, changes settings and cancels a run.
"""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.pipeline import stages
from mfer_core.cache.code import ROOT
from tests.pipeline.clone import additions, copy_project, run
from tests.pipeline.stopped import Reproduced, kill_in_extract, press_ctrl_c
from tests.servers.ports import free_port, put_prefect_database, serve
from tests.waiting import wait_for_text

ASK_S = 0.3  # well within the second after which a fork server looks whether anyone needs it


@contextmanager
def fork_servers_kept(project: Path) -> Iterator[None]:
    """Ask the project's fork servers again and again whether they are there, which keeps them there.

    Each ends with its run otherwise, and twenty runs would each load the libraries, ten seconds of a core.
    """
    over = threading.Event()

    def ask() -> None:
        while not over.wait(ASK_S):
            for path in (project / ".prefect").glob("fork-*.sock"):
                with socket.socket(socket.AF_UNIX) as server:
                    server.connect_ex(str(path))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()


@pytest.fixture(scope="session")
def project(tmp_path_factory, prefect_database):
    """The project as from a zip, outside git, with shrunk settings and the environment `make` looks for."""
    folder = copy_project(tmp_path_factory.mktemp("clone") / "mfer")
    put_prefect_database(prefect_database, folder)
    (folder / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    (folder / ".venv" / ".installed").touch()
    with fork_servers_kept(folder):
        yield folder


@pytest.fixture(scope="session")
def api(project):
    """The address of a real Prefect server with a worker for the deployment: `make serve`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    with serve(
        project, f"{url}/health", "flows", "serve", "--port", str(port), **additions(project)
    ) as serving:
        wait_for_text(serving, project / "flows-serve.log", "prefect deployment run")
        yield url


@pytest.fixture(scope="session")
def reproduced(project, api) -> Reproduced:
    """The clone after Ctrl-C in every stage, a kill in extract, and a `make run` that went on from there."""
    run(project, sys.executable, "-m", "flows", "check")
    endings = {}
    for stage in stages(ROOT / "dvc.yaml"):
        if stage == "extract":
            shards = kill_in_extract(project, api)
        endings[stage] = press_ctrl_c(project, stage, api)
    return Reproduced(endings, shards, time.time_ns(), run(project, "make", "run"))
