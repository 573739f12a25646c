"""Where a result comes from: the code, the data and the settings behind it."""

import os
import socket
import subprocess
from pathlib import Path

import psutil

from mfer_core.base.files import sha256_file
from mfer_core.base.settings import Settings
from tasks.processes import run_name

LOCK = Path("dvc.lock")
PROCESS_TAG = "mfer.process"  # which machine's process logged a run: one that is gone finishes none
UNKNOWN = "unknown"  # the commit where the project is no git repository, or the program git is missing


def lineage(settings: Settings) -> dict[str, str]:
    """Tags of every run: the process that logs it, git commit (with + when files changed), DVC's lock and
    experiment, profile, data.
    """
    return {
        PROCESS_TAG: f"{socket.gethostname()} {run_name(psutil.Process())}",
        "git_commit": _commit(),
        "dvc_lock": sha256_file(LOCK)[:16] if LOCK.exists() else "",
        "dvc_experiment": os.environ.get("DVC_EXP_NAME", ""),
        "profile": settings.profile,
        "data": "synthetic demonstration" if settings.synthetic else "recordings",
    }


def _commit() -> str:
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        return f"{commit}+" if _git("status", "--porcelain", "--untracked-files=no") else commit
    except (FileNotFoundError, subprocess.CalledProcessError):
        return UNKNOWN


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
