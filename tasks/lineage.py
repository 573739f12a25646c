"""Where a result comes from: the code, the data and the settings behind it."""

import subprocess
from pathlib import Path

from mfer_core.base.files import sha256_file
from mfer_core.base.settings import Settings

LOCK = Path("dvc.lock")


def lineage(settings: Settings) -> dict[str, str]:
    """Tags for every run: git commit (with + when the tree is changed), DVC's lock, profile, and whether the data is synthetic."""
    return {
        "git_commit": _commit(),
        "dvc_lock": sha256_file(LOCK)[:16] if LOCK.exists() else "",
        "profile": settings.profile,
        "data": "synthetic demonstration" if settings.synthetic else "recordings",
    }


def _commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + (
        "+" if git("status", "--porcelain", "--untracked-files=no") else ""
    )
