"""What DVC said, as one line; whom it waits for."""

import json
import signal
import subprocess
import sys
import threading

import pytest

from flows.commands import STOPPED
from tasks.dvc_locks import RECORD
from tasks.dvc_plan import BLOCKED
from tasks.reproduce import NO_NEWS, _dvc_processes, _ending_all, _fault, _wait_for

BUSY = [
    "Stage 'demo' didn't change, skipping",
    "ERROR: failed to reproduce 'folds': 'data/folds' is busy, it is being blocked by:",
    "  (PID {pid}): dvc repro",
    "",
    "If there are no processes with such PIDs, you can manually remove 'rwlock' and try again.",
]


def blocked_by(pid: int) -> list[str]:
    return [line.format(pid=pid) for line in BUSY]


def test_the_dvc_that_holds_a_lock_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc").write_text("input()")
    working = subprocess.Popen([sys.executable, tmp_path / "dvc", "repro"], stdin=subprocess.PIPE)
    said = []

    def say(line: str) -> None:
        said.append(line)
        threading.Thread(target=working.communicate, args=(b"\n",)).start()

    (blocked,) = BLOCKED.findall("\n".join(blocked_by(working.pid)))
    _wait_for(int(blocked), say)
    assert working.wait() == 0
    assert f"waiting for process {working.pid} (`dvc repro`, since " in said[0]
    _wait_for(working.pid, pytest.fail)  # it has ended: nothing to wait for


def test_a_lock_left_under_a_number_that_another_program_has_now_is_forgotten(
    tmp_path, monkeypatch, stranger
):
    monkeypatch.chdir(tmp_path)
    RECORD.parent.mkdir(parents=True)
    RECORD.write_text(json.dumps({"write": {"/a": {"pid": stranger, "cmd": "dvc repro"}}}))
    _wait_for(stranger, pytest.fail)
    assert json.loads(RECORD.read_text()) == {"write": {}}


def test_a_stage_is_heard_before_dvc_and_dvc_before_the_last_words():
    lines = [line for line in blocked_by(123) if line]
    assert (
        _fault([*lines[:1], "ERROR: failed to reproduce 'folds'", "", "Some hint"])
        == "failed to reproduce 'folds'"
    )
    assert _fault([*lines, "error: no such corpus"]) == "no such corpus"


def test_a_fault_is_told_with_what_was_done_and_a_bug_by_its_type():
    ended = ["error: the disk is full", "done: extract x, 3 of 8", "go on: elsewhere", "ERROR: failed"]
    assert _fault(ended) == "the disk is full (extract x, 3 of 8)"
    bug = ["Traceback (most recent call last):", '  File "a.py", line 1', "ValueError: no", "ERROR: failed"]
    assert _fault(bug) == "a bug, whose traceback is above (ValueError)"


def test_a_dvc_that_was_killed_is_not_quoted_but_its_stage_is():
    lines = ["Running stage 'folds':", "11:02:23 | INFO | Flow run 'folds' - View at http://127.0.0.1:1/runs"]
    assert _fault(lines, -signal.SIGKILL).startswith("its dvc was ended from outside")
    assert _fault([*lines, "error: no such corpus"], -signal.SIGKILL) == "no such corpus"


def test_what_every_dvc_of_one_stage_says_is_not_said_for_each_and_a_stop_once():
    said = ["", "Updating lock file 'dvc.lock'", "Data and pipelines are up to date.", STOPPED]
    said += [
        "Use `dvc push` to send your updates.",
        "To track the changes with git, run:",
        "\tgit add dvc.lock",
    ]
    assert all(map(NO_NEWS.match, said))
    assert not any(map(NO_NEWS.match, ["Running stage 'demo':", "11:02:23 | INFO | Today", "> python"]))


def test_what_ends_a_run_early_ends_every_dvc():
    working = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    _dvc_processes.add(working)
    with pytest.raises(KeyboardInterrupt), _ending_all():
        raise KeyboardInterrupt
    assert working.wait(60) == -signal.SIGTERM
    working.stdin.close()
    _dvc_processes.clear()
