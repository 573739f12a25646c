"""A copy of the project with a shrunk real configuration, and commands run in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from mfer_core.cache.code import ROOT

LIMIT_S = 1200
DEMO = {"ravdess": (6, 8), "crema_d": (6, 6), "custom": (2, 8), "fer2013": (10, 14)}
LINK = "data/raw/demo/crema_d/gone.wav"

SECRET = "a-secret-of-the-environment"
SECRETS = dict.fromkeys(("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD"), SECRET)

# Python runs this file at the start of every process of the clone. It writes down which project files a
# stage imported, and holds a run at the first result below HOLD_AT until the test has pressed Ctrl-C.
AT_START = """
import atexit, json, os, sys, time

def record():
    if "DVC_STAGE" not in os.environ or "flows.stages" not in sys.modules:
        return  # this process only asked for a fork
    files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
    here = os.getcwd() + os.sep
    imported = {os.path.relpath(file) for file in files if file.startswith(here) and ".venv" not in file}
    path = os.path.join(os.environ["IMPORTS"], os.environ["DVC_STAGE"] + ".json")
    json.dump(sorted(file for file in imported if os.path.getsize(file)), open(path, "w"))

def hold(event, arguments):
    held = os.environ.get("HOLD_AT")
    if event != "os.rename" or not held or not os.path.abspath(os.fspath(arguments[1])).startswith(held):
        return
    try:
        os.close(os.open(os.environ["HELD"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    while not os.path.exists(os.environ["HELD"] + "-pressed"):
        time.sleep(0.05)

atexit.register(record)
if not any(os.path.basename(word) == "dvc" for word in sys.orig_argv):
    sys.addaudithook(hold)
"""


def shrink(project: Path) -> None:
    """Fewer and shorter of everything; the same stages, libraries and formats."""
    yaml = YAML()
    values = yaml.load(project / "params.yaml")
    for name in set(values["corpora"]) - set(DEMO):
        del values["corpora"][name]
    for name, (speakers, clips) in DEMO.items():
        values["corpora"][name]["demo"] = {"speakers": speakers, "clips_per_speaker": clips}
    values["media_corpora"] = [name for name in values["media_corpora"] if name in DEMO]
    values["roles"]["pretraining"] = ["crema_d"]
    values["folds"]["protocols"] = ["groupk:2"]
    values["shards"] = {"extract": 16}
    for stage in (
        "pretrain_vit",
        "pretrain_emotion2vec",
        "train_visual",
        "pretrain_audio",
        "train_audio",
        "train_fused",
    ):
        values[stage]["epochs"] = 1
    values["evaluate"] |= {"bootstrap": 100, "permutations": 100}
    values["transfer"]["shots"] = [0, 1]
    values["register"]["protocol"] = "groupk:2"
    yaml.dump(values, project / "params.yaml")


def copy_project(folder: Path) -> Path:
    """Copy the project's files into ``folder`` and shrink the settings there."""
    for name in git_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    shrink(folder)
    (folder / "record").mkdir()
    (folder / "record" / "sitecustomize.py").write_text(AT_START)
    (folder / "imports").mkdir()
    link_to_nowhere(folder)
    return folder


def link_to_nowhere(project: Path) -> None:
    """A broken link among the recordings, which .dvcignore names, as `mfer check` advises."""
    link = project / LINK
    link.parent.mkdir(parents=True)
    link.symlink_to("nowhere.wav")
    with (project / ".dvcignore").open("a") as ignored:
        ignored.write(f"/{LINK}\n")


def git_files() -> list[str]:
    """The files that the next commit would hold."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.splitlines() if (ROOT / name).is_file()]


def environment(project: Path, **more: str) -> dict[str, str]:
    return os.environ | additions(project) | more


def additions(project: Path) -> dict[str, str]:
    """What a process of the clone has in its environment beside what this one has."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SHELL": "/bin/sh",
        "MAKELEVEL": "",  # These tests may run below another make, whose words would stand in the output.
        "MAKEFLAGS": "",
        "PYTHONPATH": f"{project}{os.pathsep}{project / 'record'}",
        "IMPORTS": str(project / "imports"),
        **SECRETS,
    }


def run(project: Path, *command: str, **more: str) -> str:
    """Run a command in the clone; returns all it printed."""
    result = subprocess.run(
        command,
        cwd=project,
        env=environment(project, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    assert result.returncode == 0, result.stdout[-6000:]
    return result.stdout
