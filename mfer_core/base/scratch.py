"""Temporary folders that do not outlive a killed program by much: they may hold pictures of people.

A folder is held by a lock on a file in it, which the kernel lets go with the process. Whoever makes the next
folder removes those that nobody holds.
"""

import fcntl
import shutil
import tempfile
from pathlib import Path

PREFIX, LOCK = "mfer-", ".held"


class ScratchFolder(tempfile.TemporaryDirectory[str]):
    """A temporary folder of this process, and of those that it forks."""

    def __init__(self) -> None:
        _remove_abandoned(Path(tempfile.gettempdir()))
        super().__init__(prefix=PREFIX)
        lock = Path(self.name) / LOCK
        unlocked = lock.with_suffix(".new")  # Under the name that others look for, it is held from the start.
        self._held = unlocked.open("w")
        fcntl.flock(self._held, fcntl.LOCK_EX)
        unlocked.rename(lock)

    def cleanup(self) -> None:
        """Remove the folder; again does nothing."""
        super().cleanup()
        self._held.close()


def _remove_abandoned(folder: Path) -> None:
    for lock in folder.glob(f"{PREFIX}*/{LOCK}"):
        try:
            with lock.open("r+") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:  # It is held, gone meanwhile, or somebody else's.
            continue
