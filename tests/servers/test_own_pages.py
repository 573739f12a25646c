"""``mfer app`` and ``mfer service`` as typed in an empty folder: what they print, answer and leave."""

import signal

import httpx
import pytest

from mfer_core.cache.code import ROOT
from tests.prediction.conftest import _one_thread, model, recordings  # noqa: F401
from tests.servers.ports import free_port, serve
from tests.waiting import wait_for, wait_for_text

SERVED = {
    "app": ("", "Ctrl-C ends, and results go with it"),
    "service": ("health", "openapi.json describes it; Ctrl-C ends"),
}


@pytest.fixture(params=SERVED)
def served(request, tmp_path, model):
    """The command's name, its process, its address and the folder that it was started in."""
    path, said = SERVED[request.param]
    port, folder = free_port(), tmp_path / "empty"
    folder.mkdir()
    command = ("flows", request.param, "--model", str(model), "--port", str(port))
    address = f"http://127.0.0.1:{port}"
    with serve(folder, f"{address}/{path}", *command, PYTHONPATH=str(ROOT)) as process:
        assert address in wait_for_text(process, folder / f"flows-{request.param}.log", said)
        yield request.param, process, address, folder


def judged_by_app(address: str, content: bytes) -> dict[str, str]:
    """The arms' labels of a recording that is dropped on the page."""
    sent = httpx.post(f"{address}/recordings", params={"name": "mine.mp4"}, content=content)
    assert sent.status_code == 201, sent.text

    def ended() -> dict[str, list]:
        (job,) = httpx.get(f"{address}/state").json()
        return job["arms"]

    return {arm: label for arm, (label, _) in wait_for(ended, "a judgement").items()}


def judged_by_service(address: str, content: bytes) -> dict[str, str]:
    answer = httpx.post(f"{address}/predict", params={"name": "mine.mp4"}, content=content, timeout=120)
    assert answer.status_code == 200, answer.text
    return {arm: one["label"] for arm, one in answer.json()["arms"].items()}


def test_a_recording_is_judged_and_ctrl_c_leaves_nothing(served, recordings):
    name, process, address, folder = served
    judge = judged_by_app if name == "app" else judged_by_service
    labels = judge(address, (recordings / "long.mp4").read_bytes())
    assert set(labels) == {"visual", "audio", "fused"}
    process.send_signal(signal.SIGINT)
    assert process.wait(60) in (0, 130)
    log = folder / f"flows-{name}.log"
    assert "Traceback" not in log.read_text() and list(folder.iterdir()) == [log]
