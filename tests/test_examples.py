"""The examples run as they stand."""

import runpy
import shutil

import cv2

from mfer_core.cache.code import ROOT
from tests.prediction.conftest import model, recordings  # noqa: F401 (fixtures)


def test_own_video(model, recordings, tmp_path, monkeypatch, capsys):
    shutil.copytree(model, tmp_path / "data" / "register" / "model")
    shutil.copy(recordings / "long.mp4", tmp_path / "my_video.mp4")
    monkeypatch.chdir(tmp_path)
    seen = runpy.run_path(str(ROOT / "examples" / "own_video.py"))["seen"]
    assert list(seen.timeline.start_s.unique()) == [0, 1, 2, 3]
    assert "0.0 to" in capsys.readouterr().out
    assert cv2.imread("my_video.png").std() > 5
