"""Who works in a folder, and in which order they take turns."""

import os
import subprocess
import sys
import threading

import psutil
import pytest

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json, write_json
from mfer_core.cache.code import ROOT
from tasks import processes


@pytest.fixture
def other(tmp_path, monkeypatch):
    """A process that works in this test's folder until its input ends."""
    monkeypatch.chdir(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def lines_while_waiting(other) -> list[str]:
    """What a run says while it waits; with its first line the other process ends."""
    lines = []

    def say(line: str) -> None:
        lines.append(line)
        threading.Thread(target=other.communicate, args=(b"\n",)).start()

    processes.wait_for_earlier(say)
    return lines


def test_a_run_waits_for_those_marked_before_it_and_names_them(other):
    processes.mark(psutil.Process(other.pid))
    processes.mark(psutil.Process())
    (line,) = lines_while_waiting(other)
    assert line.startswith(f"waiting for process {other.pid} (`")
    assert [process.pid for process in processes.living()] == [os.getpid()]


def test_those_marked_later_are_not_waited_for(other):
    processes.mark(psutil.Process())
    processes.mark(psutil.Process(other.pid))
    processes.mark(psutil.Process())  # A process that is marked again keeps its place.
    assert lines_while_waiting(other) == []


def test_a_number_that_another_program_has_now_does_not_count(other):
    processes.mark(psutil.Process(other.pid))
    (path,) = (processes.HOME / "working").glob("[0-9]*")
    content = read_json(path)
    assert [process.pid for process in processes.living()] == [other.pid]
    for stale in (content | {"folder": "/elsewhere"}, content | {"command": ["dvc", "repro"]}, [], ""):
        write_json(path, stale)
        assert not processes.living() and not path.exists()


CALLER = "from tasks.processes import caller; print(caller().pid)"


@pytest.mark.parametrize(("is_left", "status"), [(True, 1), (False, 0)])
def test_a_stage_whose_dvc_was_killed_before_it_could_look_ends(is_left, status):
    """A process that is left alone gets a parent of another session, which is what it can see."""
    environment = {**os.environ, "DVC_STAGE": "folds", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-c", CALLER],
        env=environment,
        start_new_session=is_left,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == status
    assert (processes.ENDED in ended.stderr) == is_left


def test_a_stage_whose_run_has_ended_says_so(other, monkeypatch):
    other.communicate(b"\n")
    monkeypatch.setenv(processes.PARENT_VARIABLE, str(other.pid))
    with pytest.raises(MferError, match=processes.ENDED):
        processes.owner()
