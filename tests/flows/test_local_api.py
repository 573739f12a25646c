"""The shared local Prefect API: found by the second process, gone with the last one that uses it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from flows.servers import answers
from mfer_core.cache.code import ROOT
from tests.servers.ports import put_prefect_database

USE = """
import sys
from flows.environment import set_environment
set_environment()
from flows.local_api import ensure_api
ensure_api()
import os
print(os.environ["PREFECT_API_URL"], flush=True)
sys.stdin.read()
"""


def start(folder) -> subprocess.Popen:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API")}
    return subprocess.Popen(
        [sys.executable, "-c", USE],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def folder(tmp_path, prefect_database):
    put_prefect_database(prefect_database, tmp_path)
    (tmp_path / "prefect.toml").write_text((ROOT / "prefect.toml").read_text())
    return tmp_path


def test_processes_share_one_api_which_ends_even_after_they_are_killed(folder):
    """What a power cut leaves behind is no hindrance: an empty record, and a number that a stranger has by
    now.
    """
    (folder / ".prefect" / "working").mkdir(parents=True)
    (folder / ".prefect" / "api.json").touch()
    (folder / ".prefect" / "working" / str(os.getpid())).touch()
    first, second = start(folder), start(folder)
    urls = {process.stdout.readline().strip() for process in (first, second)}
    assert len(urls) == 1
    url = urls.pop()
    first.send_signal(signal.SIGKILL)
    first.wait()
    time.sleep(3)
    assert answers(f"{url}/health"), "the API went although a process still uses it"
    second.send_signal(signal.SIGKILL)
    second.wait()
    deadline = time.monotonic() + 60
    while answers(f"{url}/health"):
        assert time.monotonic() < deadline, "the API outlived its users"
        time.sleep(0.5)
