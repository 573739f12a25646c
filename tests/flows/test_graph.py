"""Stages that do not wait for each other run side by side, and leave what a serial `dvc repro` leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from mfer_core.cache.code import ROOT

# `left` and `right` each wait for the other to be at work. `broken` fails once `slow` is at work,
# and `slow` is at work until the `dvc` of `broken` has ended.
MEET = """
import sys, time
from pathlib import Path
import psutil
name, other = sys.argv[1:]
Path(f"{name}.here").touch()
deadline = time.monotonic() + 60
while not Path(f"{other}.here").exists():
    if time.monotonic() > deadline:
        sys.exit(f"{other} did not run side by side")
    time.sleep(0.02)
if name == "broken":
    print("error: no such corpus")
    above = psutil.Process().parents()
    dvc = next(one for one in above if any("dvc" in Path(word).parts for word in one.cmdline()))
    Path("broken.tmp").write_text(str(dvc.pid))
    Path("broken.tmp").rename("broken.said")
    sys.exit(1)
if name == "slow":
    while not Path("broken.said").exists():
        time.sleep(0.02)
    failed = Path("broken.said").read_text()  # empty where a test alone says it
    while failed and psutil.pid_exists(int(failed)):
        time.sleep(0.02)
Path(f"{name}.txt").write_text(name)
"""
STAGES = {
    "left": {"cmd": "python meet.py left right", "outs": ["left.txt"]},
    "right": {"cmd": "python meet.py right left", "outs": ["right.txt"]},
    "both": {
        "cmd": "cat left.txt right.txt > both.txt",
        "deps": ["left.txt", "right.txt"],
        "outs": ["both.txt"],
    },
}
FAILING = {
    "broken": {"cmd": "python meet.py broken slow", "outs": ["broken.txt"]},
    "slow": {"cmd": "python meet.py slow broken", "outs": ["slow.txt"]},
    "after": {"cmd": "touch after.txt", "deps": ["slow.txt", "broken.txt"], "outs": ["after.txt"]},
}
RUN = """
import json, sys
from pathlib import Path

from flows.environment import set_environment
set_environment()
from flows.local_api import ensure_api
ensure_api()
from prefect import flow
from ruamel.yaml import YAML

from mfer_core.base.settings import load_settings
from tasks import reproduce
reproduce.machine = lambda: (2, 2)

@flow
def graph():
    try:
        return reproduce.reproduce(load_settings(), [], False)
    except Exception as error:
        return "; ".join([str(error), *error.__notes__])

said = [graph(), graph()]
with Path("dvc.yaml").open("w") as file:
    YAML().dump({"stages": json.loads(sys.argv[1])}, file)
print(json.dumps([*said, graph(), graph.name]))
"""


def write_project(folder) -> None:
    folder.mkdir()
    for name in ("params.yaml", "prefect.toml"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "meet.py").write_text(MEET)
    write_stages(folder, STAGES)
    dvc(folder, "init", "-q", "--no-scm")


def write_stages(folder, stages: dict) -> None:
    with (folder / "dvc.yaml").open("w") as file:
        YAML().dump({"stages": stages}, file)


def environment() -> dict[str, str]:
    own = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "SHELL": "/bin/sh"}
    return os.environ | own | {"PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "true"}


def dvc(folder, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    result = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def locked(folder) -> dict:
    return YAML(typ="safe").load((folder / "dvc.lock").read_text())["stages"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A project after three runs of the graph, the last one with a stage that fails; what they returned."""
    folder = tmp_path_factory.mktemp("graph") / "project"
    write_project(folder)
    command = [sys.executable, "-c", RUN, json.dumps(STAGES | FAILING)]
    result = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder, json.loads(result.stdout.splitlines()[-1]), result.stdout + result.stderr


def test_independent_stages_run_side_by_side_and_a_second_run_finds_nothing_to_do(runs):
    _, (first, second, _, _), _ = runs
    assert (sorted(first[0][:2]), first[0][2:], first[1]) == (["left", "right"], ["both"], [])
    assert (second[0], sorted(second[1])) == ([], sorted(STAGES))


def test_the_record_is_that_of_a_serial_run_and_holds_what_ended_beside_a_failure(runs, tmp_path):
    folder, *_ = runs
    write_project(tmp_path / "serial")
    for name in (*STAGES, "broken", "slow"):
        (tmp_path / "serial" / f"{name}.here").touch()
    (tmp_path / "serial" / "broken.said").touch()
    write_stages(tmp_path / "serial", STAGES | {"slow": FAILING["slow"]})
    dvc(tmp_path / "serial", "repro")
    assert locked(folder) == locked(tmp_path / "serial")


def test_a_failure_is_said_at_the_end_with_the_way_on_and_what_needs_it_does_not_start(runs):
    _, (_, _, failed, _), output = runs
    assert failed == "broken stopped: no such corpus; done: stages: 1 ran, 3 up to date, 1 not started"
    assert "broken failed; what is at work goes to its end: slow" in output
    assert "Running stage 'after'" not in output
