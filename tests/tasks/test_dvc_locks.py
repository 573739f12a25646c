"""What a killed `dvc` leaves in DVC's record of locks keeps nobody waiting; what a living one holds stays."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.lock import make_lock
from dvc.repo import Repo

from mfer_core.base.errors import MferError
from tasks.dvc_locks import RECORD, forget_the_dead

STAGE = "stages: {one: {cmd: touch made, outs: [made]}}"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A DVC repository of one stage, which is the present folder."""
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    Path("dvc.yaml").write_text(STAGE)
    return tmp_path


@pytest.fixture
def other_dvc(project):
    """A `dvc` at work in this folder."""
    (project / "dvc").write_text("input('at work')")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "dvc", "repro"], cwd=project, **pipes)
    process.stdout.read(1)  # Before it has begun, the system does not tell its command.
    yield process.pid
    process.communicate(b"\n")


def held_by(pid: int) -> dict:
    return {"pid": pid, "cmd": "dvc repro"}


def test_dvc_goes_on_after_a_kill_whoever_has_the_number_now(project, stranger):
    made = str(project / "made")
    for pid in (stranger, 2**22 + 1):  # a number in use again, and one that no process can have
        record = {"write": {made: held_by(pid)}, "read": {made: [held_by(pid)]}}
        RECORD.write_text(json.dumps(record))
        forget_the_dead()
        assert json.loads(RECORD.read_text()) == {"write": {}, "read": {}}
    with Repo() as repo:
        repo.reproduce()
    assert Path(made).exists()


def test_what_living_processes_hold_stays(project, stranger, other_dvc):
    kept = {"write": {"/a": held_by(other_dvc)}, "read": {"/b": [held_by(other_dvc), held_by(os.getpid())]}}
    RECORD.write_text(json.dumps(kept | {"read": {"/b": [held_by(stranger), *kept["read"]["/b"]]}}))
    forget_the_dead()
    assert json.loads(RECORD.read_text()) == kept


def test_a_record_cut_off_in_mid_write_is_begun_anew(project):
    RECORD.write_text('{"write": {"/a')
    forget_the_dead()
    with Repo() as repo:
        repo.reproduce()
    assert (project / "made").exists()


def test_the_record_is_changed_under_dvcs_own_lock_only(project, stranger):
    RECORD.write_text(json.dumps({"write": {"/a": held_by(stranger)}}))
    with make_lock(f"{RECORD}.lock"), pytest.raises(MferError, match=r"rwlock\.lock, DVC's lock"):
        forget_the_dead()
    assert held_by(stranger) in json.loads(RECORD.read_text())["write"].values()
