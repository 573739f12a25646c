"""Two runs at once: the second waits for the `dvc` that works in the folder, and says which it is."""

import os
import subprocess
import sys

import pytest

from flows import busy
from tasks.reproduce import _fault


@pytest.fixture
def working(tmp_path, monkeypatch):
    """A process that looks and holds on like `dvc repro train_audio`, in this test's folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc").write_text("print(flush=True)\ninput()\n")
    process = subprocess.Popen(
        [sys.executable, "dvc", "repro", "train_audio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def test_a_run_waits_for_the_dvc_that_works_here_and_names_it(working):
    said = []

    def say(line: str) -> None:
        said.append(line)
        working.communicate(b"\n")

    busy.wait_until_free(say)
    (line,) = said
    assert f"process {working.pid} (`dvc repro train_audio`, since " in line
    assert working.returncode == 0, "it did not wait for the end"


def test_a_dvc_in_another_folder_is_none_of_our_business(working, tmp_path_factory):
    assert busy.at_work().pid == working.pid
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert busy.at_work() is None


def test_a_lock_that_dvc_could_not_get_is_one_line_with_the_holder():
    lines = [
        "Stage 'demo' didn't change, skipping",
        "ERROR: failed to reproduce 'folds': 'data/folds' is busy, it is being blocked by:",
    ]
    lines += [
        "  (PID 123): dvc repro",
        "",
        "If there are no processes with such PIDs, you can manually remove 'rwlock' and try again.",
    ]
    assert (
        _fault(lines)
        == "failed to reproduce 'folds': 'data/folds' is busy, it is being blocked by: (PID 123): dvc repro"
    )
    assert _fault([*lines, "error: no such corpus"]) == "no such corpus"
