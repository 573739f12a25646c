"""Who works in a folder, and in which order they take turns."""

import os
import subprocess
import sys
import threading

import psutil
import pytest

from tasks import processes


@pytest.fixture
def other(tmp_path, monkeypatch):
    """A process that works in this test's folder until its input ends."""
    monkeypatch.chdir(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def test_a_run_waits_for_those_marked_before_it_and_names_them(other):
    processes.mark(psutil.Process(other.pid))
    processes.mark(psutil.Process())
    said = []

    def say(line: str) -> None:
        said.append(line)
        threading.Thread(target=other.communicate, args=(b"\n",)).start()

    processes.wait_for_earlier(say)
    (line,) = said
    assert line.startswith(f"waiting for process {other.pid} (`")
    assert [process.pid for process in processes.living()] == [os.getpid()]


def test_those_marked_later_are_not_waited_for(other):
    processes.mark(psutil.Process())
    processes.mark(psutil.Process(other.pid))
    processes.mark(psutil.Process())  # again: it keeps its place
    processes.wait_for_earlier(lambda line: pytest.fail(line))


def test_a_number_that_a_process_of_another_folder_has_now_does_not_count(
    other, tmp_path_factory, monkeypatch
):
    processes.mark(psutil.Process(other.pid))
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    (elsewhere / ".prefect" / "working").mkdir(parents=True)
    (elsewhere / ".prefect" / "working" / str(other.pid)).touch()
    assert processes.living() == []
    assert not list((elsewhere / ".prefect" / "working").iterdir())
