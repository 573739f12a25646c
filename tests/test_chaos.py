"""Work that is killed at every point at which it touches a file, or loses its power there, loses nothing.

The short version of ``make chaos`` (benchmarks/chaos), on what all stages write with: shards, a folder that
is replaced as a whole, results that a mark written last calls done.
"""

import errno
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import psutil
import pytest

from benchmarks.chaos import plan
from benchmarks.chaos.calls import CallKill, Calls
from benchmarks.chaos.left import Progress, recorded
from benchmarks.chaos.points import ANY, Kill, Points
from benchmarks.chaos.power import NAMES, SOME, lose_power, state
from benchmarks.chaos.project import Project
from benchmarks.chaos.record import Record
from benchmarks.chaos.report import hits_of
from mfer_core.base import files
from mfer_core.base.errors import MferError, mendable
from mfer_core.base.files import atomic_folder, write_json
from mfer_core.cache.embeddings import EmbeddingRow, EmbeddingShards
from mfer_core.cache.shards import partition
from mfer_core.models.store import CONFIG, begin, is_done

CLIPS = 6


def write_shards(results: Path, version: str) -> None:
    store = EmbeddingShards(results / "embed", {"name": "encoder", "dtype": "float32"})
    shards = partition({f"c/{number}": f"{version}{number}" for number in range(CLIPS)}, 2)
    value = float(len(version))

    def row(clip_id: str) -> EmbeddingRow:
        return EmbeddingRow(clip_id, f"{version}{clip_id[2:]}", np.arange(2.0), np.full((2, 3), value))

    for shard in shards:
        if not store.holds(shard):
            store.fill(shard, row)
    store.prune(shards)


def publish_folder(results: Path, version: str) -> None:
    with atomic_folder(results / "model") as folder:
        for name in ("visual/config.json", "audio/config.json", f"{version}.json"):
            write_json(folder / name, {"version": version})


def write_marked(results: Path, version: str) -> None:
    """Results of one name in every version, as of a fold that is trained again with other settings."""
    folder = results / "fold"
    if not is_done(folder, version):
        begin(folder)
        for name in ("model.json", "predictions.json"):
            write_json(folder / name, {"version": version})
        write_json(folder / CONFIG, {"key": version})


WORK = {"shards": write_shards, "folder": publish_folder, "mark": write_marked}


def killed(work: Callable, results: Path, points: Path, kill: Kill, synced: bool) -> int:
    """The exit status of a forked process that works until it is killed."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        Points(points, results.parent, kill).install(named={})
        if not synced:
            files._sync = lambda path: None
        work(results, "new version")
        status = 0
    except OSError as error:
        os.write(2, f"line: {mendable(error)}\n".encode())
    except MferError as error:
        os.write(2, f"line: {error}\n".encode())
    finally:
        os._exit(status)


def content(results: Path) -> dict[str, str]:
    files = [path for path in sorted(results.rglob("*")) if path.is_file() and ".tmp" not in path.name]
    return {str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def faults(work: Callable, power: str | None, folder: Path, synced: bool = True, error: int = 0) -> list[int]:
    """The points after which a run was killed, or at which a call failed with the system's ``error``, over an
    older version's results, and the next run's differ.
    """
    work(folder / "undisturbed" / "results", "new version")
    wrong = []
    for number in count(1):
        results, points = folder / str(number) / "results", folder / str(number) / "points"
        points.mkdir(parents=True)
        work(results, "old")
        before = {str(path): state(path) for path in results.rglob("*") if path.is_file()}
        status = killed(work, results, points, Kill(ANY, number, not error, error), synced)
        if status == 0:
            return wrong
        assert status == (1 if error else -signal.SIGKILL)
        if power:
            lose_power(points, [results], before, power)
        try:
            work(results, "new version")
        except MferError:
            wrong.append(number)
            continue
        if content(results) != content(folder / "undisturbed" / "results"):
            wrong.append(number)
    raise AssertionError("unreachable")


@pytest.mark.parametrize("power", [None, SOME, NAMES])
@pytest.mark.parametrize("work", WORK)
def test_the_next_run_ends_with_the_same_bytes_wherever_it_was_killed(work, power, tmp_path):
    assert faults(WORK[work], power, tmp_path) == []
    assert sum(1 for _ in tmp_path.iterdir()) > 4


@pytest.mark.parametrize("work", WORK)
def test_the_next_run_ends_with_the_same_bytes_wherever_the_disk_was_full(work, tmp_path, capfd):
    assert faults(WORK[work], None, tmp_path, error=errno.ENOSPC) == []
    said = capfd.readouterr().err
    assert said.count("the disk is full") == said.count("line: ") > 3, said


@pytest.mark.parametrize("work", ["shards", "mark"])
def test_without_syncs_a_loss_of_power_is_seen(work, tmp_path):
    assert faults(WORK[work], SOME, tmp_path, synced=False) != []


COUNTS = {"embed": {"rename": 6, "fsync": 14, "shard": 2}, "folds": {"rename": 4, "fsync": 9}}


def test_the_first_trials_hit_every_kind_of_point_in_every_unit():
    trials = plan.in_rounds(plan.enumerated(COUNTS, seed=3), seed=3)
    kinds = {(unit, kind) for unit, by_kind in COUNTS.items() for kind in by_kind}
    first = trials[: len(kinds)]
    assert {(trial.unit, trial.kills[0].kind) for trial in first} == kinds
    assert all({kill.after for kill in trial.kills} == {False, True} for trial in first)


def test_a_process_learns_of_the_trials_of_another_once_they_are_whole(tmp_path):
    ours, theirs = Record(tmp_path, ""), Record(tmp_path, "")
    ours.add({"name": "point/embed/shard 0", "faults": []})
    with (tmp_path / "trials.jsonl").open("a") as file:
        file.write('{"name": "point/embed/shard 1", ')
        file.flush()
        theirs.read()
        assert [*theirs.trials] == ["point/embed/shard 0"]
        file.write('"faults": []}\n')
    theirs.read()
    assert [*theirs.trials] == ["point/embed/shard 0", "point/embed/shard 1"]


def test_a_point_that_a_run_comes_to_once_is_hit_before_and_then_after():
    sides = {tuple(kill.after for kill in trial.kills) for trial in plan.enumerated({"a": {"mkdir": 1}}, 3)}
    assert sides == {(False, True)}


def test_the_runs_of_a_trial_go_on_from_the_first_point_to_the_last():
    trials = {trial.name: trial for trial in plan.enumerated({"embed": {"rename": 60}}, seed=3)}
    numbers = [kill.number for kill in trials["point/embed/rename 0"].kills]
    assert numbers[0] == 1
    assert 60 <= sum(numbers) <= 60 + len(numbers)  # Two kills at one place count one point more.


def test_a_kill_that_met_no_run_at_work_is_no_hit():
    kills = [{"kind": "rename", "number": 1, "after": after, "error": 0} for after in (False, True, False)]
    trial = {"unit": "embed", "kills": kills, "hit": [0, 1], "power": None, "plant": None}
    assert hits_of({"point/embed/rename 0": trial}) == {
        ("before rename", "embed"): 1,
        ("after rename", "embed"): 1,
    }


def test_progress_is_the_share_of_stages_that_the_lock_has_as_they_will_be(tmp_path):
    project = Project(tmp_path, tmp_path)
    lock = tmp_path / "dvc.lock"
    lock.write_text("stages:\n  a: {cmd: x}\n  b: {cmd: y}\n  c: {cmd: z}\n")
    wanted = recorded(project)
    lock.write_text("stages:\n  a: {cmd: x}\n  b: {cmd: old}\n")
    progress = Progress(project, wanted | {"data/file": "digest"})
    assert progress.share() == 0.0
    lock.write_text("stages:\n  a: {cmd: x}\n  b: {cmd: y}\n")
    assert progress.share() == 0.5


def test_a_kill_comes_as_the_nth_call_of_dvc_begins_and_once_the_nth_has_ended():
    calls = Calls(lambda: [psutil.Process(run.pid) for run in begun if run.poll() is None])
    begun: list[subprocess.Popen] = []
    as_it_begins, once_it_ended = (calls.come(CallKill("all", has_ended, 1)) for has_ended in (False, True))
    due = []
    for command in ("other", "dvc", "dvc"):
        begun.append(
            subprocess.Popen([sys.executable, "-c", "input()", command, "repro"], stdin=subprocess.PIPE)
        )
        due.append(as_it_begins())
    assert due == [False, False, True]
    due = []
    for run in begun:
        run.communicate(b"\n")
        due.append(once_it_ended())
    assert due == [False, False, True]
