"""``mfer app``: recordings of any name go in, results of predict come out, no other site's page has a say."""

import io
import zipfile

import pandas as pd
import pytest
from starlette.testclient import TestClient

from benchmarks.known_recordings import run_ffmpeg
from demo.clips import write_clip
from demo.plans import PlannedClip
from flows.app_jobs import DONE, REJECTED, Session
from flows.app_pages import AppPages
from flows.local_pages import served
from tests.flows.chromium import browser, needs_chromium
from tests.prediction.conftest import _one_thread, model, predictor, recordings  # noqa: F401
from tests.waiting import wait_for

WINDOW_S, STEP_S = 2.0, 1.0
MOST_BYTES = 2_000_000
ENDED = (DONE, REJECTED)
HOSTILE = "..\\../../tmp/<img src=x onerror=alert(1)>\x00\u202e.mp4"


@pytest.fixture
def session(predictor, tmp_path):
    return Session(predictor, "the model", WINDOW_S, STEP_S, tmp_path)


@pytest.fixture
def client(session):
    return TestClient(AppPages(session, MOST_BYTES).application(), base_url="http://127.0.0.1:8000")


def sent(client, content, name="film.mp4"):
    """The state of a recording that was sent, when it has ended."""
    answer = client.post("/recordings", params={"name": name}, content=content)
    assert answer.status_code == 201, answer.text

    def ended():
        (job,) = (job for job in client.get("/state").json() if job["number"] == answer.json()["number"])
        return job if job["stage"] in ENDED else None

    return wait_for(ended, "the end of a job", 120)


def test_a_recording_has_the_results_of_predict_whatever_it_is_called(
    client, session, predictor, recordings, tmp_path
):
    job = sent(client, (recordings / "long.mp4").read_bytes(), HOSTILE)
    expected = predictor.examine(recordings / "long.mp4", WINDOW_S, STEP_S)
    assert {arm: label for arm, (label, _) in job["arms"].items()} == dict(
        zip(expected.table.arm, expected.table.label, strict=True)
    )
    address = f"/results/{job['number']}"
    timeline = pd.read_csv(io.StringIO(client.get(f"{address}/timeline.csv").text))
    pd.testing.assert_frame_equal(
        timeline[list(predictor.classes)], expected.timeline[list(predictor.classes)], atol=1e-6
    )
    for path in job["files"].values():
        answer = client.get(f"{address}/{path}")
        assert answer.status_code == 200 and answer.headers["content-disposition"].startswith("attachment")
    report = client.get(f"{address}/report.html").text
    assert "&lt;img src=x" in report and "<img src=x" not in report
    with zipfile.ZipFile(io.BytesIO(client.get(f"{address}/all.zip").content)) as archive:
        assert archive.testzip() is None and {"report.html", "windows.csv"} <= set(archive.namelist())
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {job["number"], f"{job['number']}.zip"}, "no file is named by a browser; no upload stays"


def test_only_the_files_of_results_are_given_and_they_can_be_removed(client, recordings, tmp_path):
    job = sent(client, (recordings / "short.mp4").read_bytes())
    (tmp_path / "secret").write_text("secret")
    address = f"/results/{job['number']}"
    for path in ("../secret", "..%2fsecret", "%2e%2e/secret", str(tmp_path / "secret"), "elan", "", "no.csv"):
        assert client.get(f"{address}/{path}").status_code in (404, 405)
    assert client.get("/results/0/report.html").status_code == 404
    assert client.delete(address).status_code == 204 and client.delete(address).status_code == 404
    assert client.get(f"{address}/report.html").status_code == 404 and client.get("/state").json() == []
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_what_is_no_recording_or_too_large_is_said_and_others_go_on(client, recordings, tmp_path):
    broken = sent(client, b"#!/bin/sh\necho nothing of a film\n", "run.sh")
    assert broken["stage"] == REJECTED and broken["fault"].startswith("unreadable") and not broken["arms"]
    assert sent(client, b"", "")["fault"].startswith("empty file")
    assert sent(client, (recordings / "short.mp4").read_bytes())["stage"] == DONE
    whole = bytes(MOST_BYTES + 1)
    pieces = (whole[start : start + 65536] for start in range(0, len(whole), 65536))  # of no stated length
    for content in (whole, pieces):
        answer = client.post("/recordings", content=content)
        assert (answer.status_code, answer.text) == (413, "larger than 1 MB")
    assert not list(tmp_path.glob("*.upload")) and len(client.get("/state").json()) == 3


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_other_sites_in_the_same_browser_are_refused(client, headers, tmp_path):
    for answer in (
        client.post("/recordings", content=b"film", headers=headers),
        client.get("/state", headers=headers),
    ):
        assert answer.status_code in (400, 403)
        assert answer.text.startswith("asked by a") and "evil" not in answer.text
    assert not list(tmp_path.iterdir()) and client.get("/state").json() == []


@needs_chromium
def test_the_keyboard_records_from_the_camera_and_files_are_chosen_or_dropped(
    predictor, recordings, tmp_path
):
    plan = PlannedClip("clip.mp4", "ravdess", "01", "male", "angry", "strong", "1")
    clip = tmp_path / write_clip(tmp_path, plan, seed=42)
    run_ffmpeg("-i", clip, "-pix_fmt", "yuv420p", tmp_path / "camera.y4m")
    run_ffmpeg("-i", clip, "-ar", 48_000, tmp_path / "microphone.wav")
    fakes = (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={tmp_path / 'camera.y4m'}",
        f"--use-file-for-fake-audio-capture={tmp_path / 'microphone.wav'}",
    )
    (tmp_path / "session").mkdir()
    session = Session(predictor, "the model", WINDOW_S, STEP_S, tmp_path / "session")
    with (
        served(AppPages(session, MOST_BYTES).application(), None) as address,
        browser(address, tmp_path / "profile", *fakes) as page,
    ):
        page.evaluate("document.getElementById('start').focus()")
        page.press_enter()
        page.wait_for("document.getElementById('preview').currentTime > 1")
        assert page.evaluate("document.activeElement.id") == "stop"
        page.press_enter()
        said = "document.getElementById('said').textContent"
        page.wait_for(f"/^camera .*: (done|rejected)/.test({said})")
        assert set(session.state()[0]["arms"]) == {"visual", "audio", "fused"}
        assert 1 < session.state()[0]["duration_s"] < 60
        page.evaluate(
            "const held = new DataTransfer(); held.items.add(new File(['no film'], 'notes.txt'));"
            "document.dispatchEvent(new DragEvent('drop', {dataTransfer: held}))"
        )
        page.wait_for(f"{said}.startsWith('notes.txt: rejected: unreadable')")
        page.choose("#file", recordings / "short.mp4")
        page.wait_for(f"{said} === 'short.mp4: done'")
        rows = page.evaluate("[...document.querySelectorAll('#jobs tr')].map(row => row.cells[0].innerText)")
        assert rows[:2] == ["short.mp4", "notes.txt"] and rows[2].startswith("camera ")
        assert page.evaluate("document.querySelectorAll('#jobs a').length") == 20
        unnamed = (
            "[...document.querySelectorAll('button, input, a, video')].filter(node => !(node.labels?.length \
            || node.textContent.trim() || node.getAttribute('aria-label'))).length"
        )
        assert page.evaluate(unnamed) == 0, "a screen reader has a name for everything"
