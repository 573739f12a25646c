"""``mfer live`` writes what ``mfer predict`` does, and its page shows what it says to nobody else's page."""

import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

import flows.live
from flows.__main__ import main
from flows.live_page import LivePage
from flows.local_pages import served
from mfer_core.base.labels import EIGHT
from mfer_core.media.live_feed import replay
from mfer_core.prediction.batch import Batch
from mfer_core.prediction.live import LiveWindow
from mfer_core.prediction.media_files import find_media
from tests.flows.chromium import browser, needs_chromium
from tests.prediction.conftest import _one_thread, model, predictor, recordings  # noqa: F401


@pytest.fixture
def page():
    """A page with a picture and ten windows in which everyone is happier and happier."""
    page = LivePage("<b>film</b>", 4.0, 1.0, EIGHT, "a warning", ["about it"], lambda _: None)
    page.shown(np.full((90, 160, 3), 128, np.uint8))
    for number in range(10):
        shares = dict.fromkeys(EIGHT, 0.01 * (10 - number)) | {"happy": 0.3 + 0.07 * number}
        arms = dict.fromkeys(("visual", "fused"), shares)
        page.tell(LiveWindow(float(number), number + 4.0, arms, 0.25))
    page.ended = True
    return page


def test_a_replayed_file_has_the_results_of_predict(
    model, predictor, recordings, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(flows.live, "replay", partial(replay, paced=False))
    film, spans = str(recordings / "long.mp4"), ("--window", "2", "--step", "1", "--model", str(model))
    assert main(["live", film, *spans, "--out", str(tmp_path / "live"), "--no-page"]) == 0
    printed = capsys.readouterr().out
    assert len(re.findall(r"^ +\d\.0 to +\d\.\d s   visual \w+ \d+ %", printed, re.MULTILINE)) == 6
    assert "6 windows" in printed and "report.html in a browser" in printed
    Batch(predictor, str(model), 2.0, 1.0, tmp_path / "predict").run(find_media([recordings / "long.mp4"]))
    kinds = [{path.name for path in (tmp_path / name).rglob("*")} for name in ("live", "predict")]
    assert kinds[0] == kinds[1]
    for name in ("timeline", "predictions"):
        tables = [pd.read_parquet(tmp_path / kind / f"{name}.parquet") for kind in ("live", "predict")]
        pd.testing.assert_frame_equal(*tables, atol=1e-5)


def test_what_cannot_be_opened_is_one_line(model, tmp_path, capsys):
    command = ["live", "--model", str(model), "--no-page"]
    assert main([*command, str(tmp_path / "no.mp4")]) == 1
    assert "missing file" in capsys.readouterr().err
    assert main([*command, "--camera", "none", "--microphone", "none"]) == 1
    assert "neither camera nor microphone" in capsys.readouterr().err


def test_the_page_answers_to_itself_alone(page):
    client = TestClient(page.application(), base_url="http://127.0.0.1:8000")
    assert client.get("/").status_code == 200 and "&lt;b&gt;film" in client.get("/").text
    state = client.get("/state", params={"after": 7.0}).json()
    assert [one["start_s"] for one in state["windows"]] == [8.0, 9.0] and state["ended"]
    assert client.get("/state", params={"after": "x"}).status_code == 400
    assert client.get("/picture").content.startswith(b"\xff\xd8")
    for stranger in (
        {"host": "evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1:9000"},
        {"origin": "null"},
    ):
        assert client.get("/picture", headers=stranger).status_code in (400, 403)


@needs_chromium
def test_the_page_draws_every_window_in_a_browser(page, tmp_path):
    with served(page.application(), None) as address, browser(address, tmp_path / "profile") as shown:
        shown.wait_for("document.getElementById('said').textContent === 'The feed has ended.'")
        assert shown.evaluate("document.querySelectorAll('polyline').length") == 2 * len(EIGHT)
        words = shown.evaluate("document.querySelector('#words li').textContent")
        assert words == "9.0 to 13.0 s: visual happy 93 %, fused happy 93 %"
        labels = "[...document.querySelectorAll('td b')].map(node => node.textContent)"
        assert shown.evaluate(labels) == ["happy", "–", "happy"]
        assert shown.wait_for("document.getElementById('picture').naturalWidth") == 160
        assert "Latency: 0.25 s" in shown.evaluate("document.getElementById('health').textContent")
