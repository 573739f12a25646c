"""The shared local Prefect API: found by the second process, gone with the last one that uses it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from flows import servers
from flows.local_api import ensure_api
from flows.servers import RECORD, answers
from mfer_core.base.files import write_json
from mfer_core.cache.code import ROOT
from tasks.processes import HOME
from tests.servers.ports import put_prefect_database

SHORT_S = 0.1
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


class Late(BaseHTTPRequestHandler):
    """Answers as a server on a busy machine does: later than within SHORT_S seconds."""

    def do_GET(self):
        time.sleep(5 * SHORT_S)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"home": str(HOME.absolute())}).encode())

    def log_message(self, *_):
        pass


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


@pytest.mark.parametrize("named", [True, False])
def test_a_busy_server_is_waited_for_and_no_second_one_started(tmp_path, monkeypatch, named):
    """The server is one that PREFECT_API_URL names, or the one that this folder's record names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(servers, "ANSWER_S", SHORT_S)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Late) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/api"
        assert not answers(f"{url}/health")
        if named:
            monkeypatch.setenv("PREFECT_API_URL", url)
        else:
            write_json(RECORD, {"port": server.server_port})
        ensure_api()
        server.shutdown()
    assert os.environ["PREFECT_API_URL"] == url


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
