"""What every test stands on: the project's own switches, never a network, and the same examples in every
run.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from flows.environment import set_environment

set_environment()
# The workers share the cores: with more threads than these, those of one product wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# What takes longest starts first, so that no worker is left alone with it at the end.
LONGEST_FIRST = (
    *("tests/pipeline/", "tests/servers/", "tests/tasks/test_cluster.py", "tests/flows/"),
    *("tests/tasks/tracking/test_registry.py", "tests/media/test_extract.py"),
)


class BySharedFixtures(LoadFileScheduling):
    """A worker runs all tests of a file; of tests/pipeline, which shares one run, all of the folder."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/pipeline" if nodeid.startswith("tests/pipeline/") else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return BySharedFixtures(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items):
    def rank(item):
        starts = (number for number, name in enumerate(LONGEST_FIRST) if item.nodeid.startswith(name))
        return next(starts, len(LONGEST_FIRST))

    items.sort(key=rank)


@pytest.fixture
def as_nobody():
    """A folder that everyone may enter, with the rights of a person who is not root: root may read whatever
    it likes.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        was = os.geteuid()
        if was == 0:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(was)


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    """A program that was given a dead process's number: it works elsewhere."""
    process = subprocess.Popen(["sleep", "infinity"], cwd=tmp_path_factory.mktemp("elsewhere"))
    yield process.pid
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def made_once(tmp_path_factory, worker_id):
    """A function that makes a file in a folder, once for all workers: ``made_once(name, make)``.

    ``make`` is called with an empty folder in which it writes ``name``; returns the file's path.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def path_of(name: str, make: Callable[[Path], None]) -> Path:
        folder = shared / f"made-{name}"
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                making = tmp_path_factory.mktemp("making")
                make(making)
                making.rename(folder)
        return folder / name

    return path_of


@pytest.fixture(scope="session")
def prefect_database(made_once):
    """Prefect's database with its tables and nothing in them: it takes a core five seconds to make these."""

    def make(home: Path) -> None:
        command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
        subprocess.run(command, env=os.environ | {"PREFECT_HOME": str(home)}, check=True)

    return made_once("prefect.db", make)


@pytest.fixture(scope="session")
def empty_store(made_once):
    """MLflow's database with its tables and nothing in them, which takes seconds to make."""

    def make(folder: Path) -> None:
        from mlflow import MlflowClient

        MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").search_experiments(max_results=1)

    return made_once("mlflow.db", make)
