"""python -m flows predict: folders in, tables, plots and a page out, and the exit status that scripts
read.
"""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import cv2
import pandas as pd
import pytest

from flows.__main__ import main
from mfer_core.base.files import read_json
from mfer_core.prediction.predictor import Predictor
from tests.corpora.media_files import write_wav
from tests.prediction.conftest import model, predictor, recordings  # noqa: F401 (fixtures)
from tests.prediction.test_batch import stopping_after

MEDIA = ["inner/mute.mp4", "inner/sound & <b>.wav", "long.mp4", "short.mp4"]
NAMES = ["long", "mute", "short", "sound & _b_"]


@pytest.fixture(scope="module")
def predicted(model, recordings, tmp_path_factory):
    """The output folder of a run over everything, and its exit status."""
    out = tmp_path_factory.mktemp("predicted") / "out"
    status = main(["predict", str(recordings), "--model", str(model), "--out", str(out), "--window", "2"])
    return out, status


def test_a_folder_with_a_broken_file_predicts_the_others_and_says_so(predicted, recordings):
    out, status = predicted
    assert status == 2
    predictions = read_json(out / "predictions.json")
    assert [clip["path"] for clip in predictions["clips"]] == [str(recordings / name) for name in MEDIA]
    (rejected,) = predictions["rejected"]
    assert rejected["path"].endswith("broken.mp4")
    assert rejected["reason"].startswith("unreadable")
    assert predictions["not_media"] == [str(recordings / "notes.txt")]


def test_json_csv_and_parquet_say_the_same(predicted):
    out, _ = predicted
    predictions = read_json(out / "predictions.json")
    for name in ("predictions", "timeline"):
        table = pd.read_parquet(out / f"{name}.parquet")
        pd.testing.assert_frame_equal(
            table, pd.read_csv(out / f"{name}.csv"), rtol=1e-4, atol=1e-6, check_dtype=False
        )
    whole = {
        (clip["path"], arm): values["label"]
        for clip in predictions["clips"]
        for arm, values in clip["arms"].items()
    }
    table = pd.read_parquet(out / "predictions.parquet")
    assert whole == {(row.path, row.arm): row.label for row in table.itertuples()}
    windows = sum(len(window["arms"]) for clip in predictions["clips"] for window in clip["timeline"])
    assert windows == len(pd.read_parquet(out / "timeline.parquet"))


def test_every_clip_has_a_plot_and_nothing_is_left_half_written(predicted):
    out, _ = predicted
    for kind in ("plots", "recordings", "done"):
        files = sorted((out / kind).iterdir())
        assert [re.sub(r"-[0-9a-f]{8}\.\w+$", "", path.name) for path in files] == NAMES
    assert all(cv2.imread(str(path)).std() > 5 for path in (out / "plots").iterdir())
    assert not list(out.rglob(".*"))


class Page(HTMLParser):
    """The words, and every address that the page would load."""

    def __init__(self, text: str):
        super().__init__()
        self.words, self.addresses, self.pictures = "", [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.addresses += [
            value
            for name, value in attrs
            if name in ("src", "href", "srcset") and not value.startswith(("data:", "#"))
        ]
        self.pictures += tag == "img"
        assert tag != "img" or dict(attrs)["alt"]

    def handle_data(self, data):
        self.words += data


def test_the_report_stands_alone_and_shows_names_as_they_are(predicted):
    out, _ = predicted
    text = (out / "report.html").read_text()
    page = Page(text)
    assert not page.addresses
    assert not re.search(r"https?://|@import|url\(", text)
    assert page.pictures == len(MEDIA)
    assert "sound & <b>.wav" in page.words
    assert "synthetic demonstration corpora" in page.words
    assert "broken.mp4: unreadable" in page.words


def test_every_recording_has_a_page_of_its_own(predicted):
    out, _ = predicted
    for path in (out / "recordings").iterdir():
        page = Page(path.read_text())
        assert page.addresses == ["../report.html"] and page.pictures == 1


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium here")
def test_the_page_works_in_a_browser(predicted, tmp_path):
    """The page's own script answers the keyboard: a probe appended to a copy presses a key and leaves what it
    read.
    """
    out, _ = predicted
    probe = """<script>
      const timeline = document.querySelector("svg[data-windows]");
      const line = () => timeline.nextElementSibling.textContent;
      const read = event => (timeline.dispatchEvent(event), line().split(":")[0]);
      const box = timeline.getBoundingClientRect();
      read(new KeyboardEvent("keydown", {key: "ArrowRight"}));
      const said = line();
      const pointed = read(new PointerEvent("pointermove", {clientX: box.right - 1}));
      const drawn = [...document.images].every(i => i.complete && i.naturalWidth > 0);
      document.title = said + "|" + pointed + "|" + drawn;
    </script>"""
    (tmp_path / "probe.html").write_text(
        (out / "report.html").read_text().replace("</body>", probe + "</body>")
    )
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--dump-dom",
    ]
    result = subprocess.run(
        [*command, (tmp_path / "probe.html").as_uri()], capture_output=True, text=True, timeout=120
    )
    title = re.search("<title>(.*)</title>", result.stdout).group(1)
    assert re.fullmatch(
        r"1\.0 to 3\.0 s: visual \w+ \d+ %, audio \w+ \d+ %, fused \w+ \d+ %\|5\.0 to 6\.2 s\|true", title
    )


def test_nothing_predicted_is_a_failure_and_all_predicted_none(model, recordings, tmp_path, capsys):
    assert (
        main(["predict", str(recordings / "short.mp4"), "--model", str(model), "--out", str(tmp_path)]) == 0
    )
    assert "fused" in capsys.readouterr().out
    assert (
        main(["predict", str(recordings / "broken.mp4"), "--model", str(model), "--out", str(tmp_path)]) == 1
    )
    assert "broken.mp4: unreadable" in capsys.readouterr().err
    assert not list((tmp_path / "plots").iterdir()), "the earlier run's"
    assert pd.read_parquet(tmp_path / "predictions.parquet").empty
    assert "Not predicted" in Page((tmp_path / "report.html").read_text()).words


def test_what_is_not_there_is_one_line(model, recordings, tmp_path, capsys):
    assert main(["predict", str(tmp_path), "--model", str(model)]) == 1
    assert main(["predict", str(tmp_path / "none.mp4"), "--model", str(model)]) == 1
    assert main(["predict", str(recordings / "short.mp4"), "--model", str(tmp_path)]) == 1
    assert main(["predict", str(recordings), "--model", str(model), "--window", "1", "--step", "2"]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert [re.sub("[^ ]*/", "", line).split(":")[1] for line in lines] == [
        f" no video or audio file in {tmp_path.name}",
        " no file or folder none.mp4",
        " cannot read settings.json",
        " a window of 1 s every 2 s",
    ]


def test_names_reach_the_terminal_without_control_characters(model, tmp_path, capsys):
    name = "\x1b[31mred\x07\n2"
    (tmp_path / f"{name}.wav").write_bytes(b"no recording")
    (tmp_path / f"{name}.mp4").symlink_to(f"{name}.gone")
    (tmp_path / f"{name}.txt").touch()
    for path in (tmp_path, tmp_path / f"{name}.none"):
        assert main(["predict", str(path), "--model", str(model)]) == 1
    output, errors = capsys.readouterr()
    assert all(line.isprintable() for line in (output + errors).splitlines())
    assert errors.count(r"\x1b[31mred\x07") == 4  # both files, what the link leads to, what is not there
    assert errors.count("\n") == 3 and r"left alone: " in output


def test_a_folder_that_cannot_be_written_is_found_before_anything_is_computed(as_nobody, monkeypatch, capsys):
    write_wav(as_nobody / "a.wav")
    (as_nobody / "closed").mkdir(mode=0o555)
    (as_nobody / "file").write_text("x")
    monkeypatch.setattr(Predictor, "load", lambda *_, **__: pytest.fail("computed"))
    for out in ("closed", "closed/out", "file", "file/out"):
        assert main(["predict", str(as_nobody / "a.wav"), "--out", str(as_nobody / out)]) == 1
        assert f"cannot write to {as_nobody / out}" in capsys.readouterr().err


def test_ctrl_c_shows_what_is_done_and_says_what_is_left(model, predictor, tmp_path, monkeypatch, capsys):
    for number in range(3):
        write_wav(tmp_path / "in" / f"{number}.wav", number)
    monkeypatch.setattr(Predictor, "examine", stopping_after(1))
    assert (
        main(["predict", str(tmp_path / "in"), "--model", str(model), "--out", str(tmp_path / "out")]) == 130
    )
    said = capsys.readouterr()
    assert "0.wav" in said.out and "stopped: 2 recordings were not looked at; the same command" in said.err


def test_a_longer_limit_takes_a_longer_recording(model, tmp_path, capsys):
    write_wav(tmp_path / "a.wav", seconds=3.0)
    arguments = ["predict", str(tmp_path / "a.wav"), "--model", str(model), "--max-minutes"]
    assert main([*arguments, "0.04"]) == 1
    assert "too long" in capsys.readouterr().err
    assert main([*arguments, "0.06"]) == 0
    assert main([*arguments, "0"]) == 1
    assert "must be above 0" in capsys.readouterr().err


def test_a_calm_recording_reads_as_neutral_beside_itself(model, recordings, tmp_path, capsys):
    path = str(recordings / "short.mp4")
    arguments = ["predict", path, "--model", str(model), "--out", str(tmp_path)]
    assert main([*arguments, "--baseline", path]) == 0
    assert "Beside a calm recording of the same person" in capsys.readouterr().out
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert list(table.label) == ["neutral"] * 3 and table.neutral.to_numpy() == pytest.approx(0.5)
    assert main([*arguments, "--baseline", path, "--baseline-first", "5"]) == 1
    assert main([*arguments, "--baseline-first", "3"]) == 1
    assert main([*arguments, "--voice-encoder", str(tmp_path)]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert [line.split(":")[1].split(" of ")[0] for line in lines] == [
        " a baseline is either a recording or the first seconds",
        " a baseline",
        " no weights in " + str(tmp_path),
    ]


def test_no_project_is_needed_where_a_model_is_named(model, recordings, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["predict", str(recordings / "short.mp4"), "--model", str(model)]) == 0
    assert "short.mp4" in capsys.readouterr().out and not list(tmp_path.iterdir())
    assert main(["show"]) == 1
    assert "lay one out by `mfer init FOLDER`" in capsys.readouterr().err
