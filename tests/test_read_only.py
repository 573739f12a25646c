"""A project on a mount that refuses every write, root's too: whatever is begun there says so in one line."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from mfer_core.cache.code import ROOT

FILES = ("params.yaml", "dvc.yaml", "prefect.toml", "prefect.yaml", "profiles", ".dvcignore")
# One process for all commands: what each one says on stderr stands between its name and its status.
RUN = """
import sys
from dvc.cli import main as dvc
from flows.__main__ import main as mfer
for words in sys.argv[1:]:
    program, *arguments = words.split()
    print("===", words, file=sys.stderr, flush=True)
    print("status", {"dvc": dvc, "mfer": mfer}[program](arguments), file=sys.stderr, flush=True)
"""
MOUNT = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$0" && exec "$@"'
NAMESPACE = ("unshare", "--mount", "--map-root-user", "sh", "-c", MOUNT)
HERE = r"/\S+/project\S* is on a read-only file system: choose a folder that can be written"
WORKING = rf"error: cannot write \.prefect/working/mark: {HERE}"
SAID = {
    "mfer check": rf"error: cannot write \.dvc/config\.local: {HERE}",
    "mfer profile report": rf"error: cannot write params\.yaml: {HERE}",
    "mfer mfer": rf"error: cannot write \.dvc/config\.local: {HERE}",
    **dict.fromkeys(("mfer demo", "mfer ui", "mfer serve"), WORKING),
    "dvc repro": r"ERROR: unexpected error - \[Errno 30\] Read-only file system: '/\S+/project/\.dvc/tmp'",
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The lines that each command says on stderr in a project on a read-only mount, and its status."""
    folder = tmp_path_factory.mktemp("mount") / "project"
    (folder / ".dvc").mkdir(parents=True)
    shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc")
    for name in FILES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    refused = subprocess.run([*NAMESPACE, folder, "true"], capture_output=True, text=True)
    if refused.returncode:
        pytest.skip(f"no read-only mount here: {refused.stderr.strip()}")
    command = [*NAMESPACE, folder, sys.executable, "-c", RUN, *SAID]
    surroundings = os.environ | {"PYTHONPATH": str(ROOT)}
    said = subprocess.run(command, capture_output=True, text=True, env=surroundings, timeout=300).stderr
    blocks = re.findall(r"^=== (.+)\n((?:.*\n)*?)status (\d+)\n", said, re.M)
    return {command: (lines.strip().splitlines(), int(status)) for command, lines, status in blocks}


@pytest.mark.parametrize("command", SAID)
def test_a_read_only_project_is_one_line(answers, command):
    lines, status = answers[command]
    assert status in (1, 255)
    shown = lines[:1] if command.startswith("dvc") else lines  # DVC adds where to ask for help.
    assert len(shown) == 1 and re.fullmatch(SAID[command], shown[0])
