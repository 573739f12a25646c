"""Temporary folders: those of killed programs go, those in use stay."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mfer_core.base.scratch import ScratchFolder
from mfer_core.cache.code import ROOT

PROGRAM = """if True:
    import pathlib, time
    from mfer_core.base.scratch import ScratchFolder
    folder = ScratchFolder()
    (pathlib.Path(folder.name) / "face.png").touch()
    print(folder.name, flush=True)
    time.sleep(300)
"""


@pytest.fixture(autouse=True)
def _apart(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)


def test_what_a_killed_program_left_goes_and_what_is_in_use_stays(tmp_path):
    (tmp_path / "mfer-of-somebody").mkdir()
    programs = [
        subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    killed, used = (Path(program.stdout.readline().strip()) for program in programs)
    programs[0].send_signal(signal.SIGKILL)
    programs[0].wait()
    assert (killed / "face.png").exists()
    with ScratchFolder() as own:
        assert not killed.exists() and (used / "face.png").exists()
        assert {path.name for path in tmp_path.iterdir()} == {used.name, Path(own).name, "mfer-of-somebody"}
    assert not Path(own).exists()
    programs[1].kill()
    programs[1].wait()
