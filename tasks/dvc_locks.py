"""DVC's record of which process works on which path (.dvc/tmp/rwlock), rid of processes that were killed.

DVC itself passes over a number that no process has. It waits for ever for a number that another program has
been given since, and refuses a record that a power cut left half-written.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from mfer_core.base.errors import MferError
from mfer_core.base.files import write_json

FOLDER = Path(".dvc/tmp")
RECORD = FOLDER / "rwlock"
Entry = dict[str, Any]  # pid and cmd
Record = dict[str, dict[str, Entry | list[Entry]]]  # "write" or "read" -> path -> who does


def forget_the_dead() -> None:
    """Remove from DVC's record, under DVC's own lock, what was written by processes that work here no more.

    Raises MferError when another process keeps that lock.
    """
    if not RECORD.exists():
        return
    record = _read()
    if record is None or record != _of_the_living(record):
        with _dvc_lock():
            write_json(RECORD, _of_the_living(_read() or {}))


def works_here(pid: int) -> bool:
    """Whether the process with this number is a Python (DVC is one) that works in this folder or below.

    The folder of another person's process cannot be read: a Python of theirs is taken for one that does.
    """
    try:
        process = psutil.Process(pid)
        words = process.cmdline() if process.status() != psutil.STATUS_ZOMBIE else []
        if not any(Path(word).name.startswith(("python", "dvc")) for word in words[:2]):
            return False
        return Path(process.cwd()).is_relative_to(Path.cwd().resolve())
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _read() -> Record | None:
    """DVC's record; None in place of what is no JSON: whoever wrote it died while it wrote."""
    try:
        return json.loads(RECORD.read_text(encoding="utf-8"))
    except ValueError:
        return None


def _of_the_living(record: Record) -> Record:
    """The record without entries of the dead; paths that nobody holds are left out, as DVC does."""
    return {
        mode: {path: living for path, holders in paths.items() if (living := _living(holders))}
        for mode, paths in record.items()
    }


def _living(holders: Entry | list[Entry]) -> Entry | list[Entry]:
    """The holders of a path, its one writer or several readers, that work in this folder."""
    if isinstance(holders, dict):
        return holders if works_here(holders["pid"]) else {}
    return [reader for reader in holders if works_here(reader["pid"])]


@contextmanager
def _dvc_lock() -> Iterator[None]:
    """The lock under which DVC itself changes its record."""
    from dvc.config import Config
    from dvc.lock import LockError, make_lock

    hardlink = Config(str(FOLDER.parent))["core"].get("hardlink_lock", False)
    lock = make_lock(f"{RECORD}.lock", tmp_dir=str(FOLDER), hardlink_lock=hardlink)
    try:
        lock.lock()
    except LockError as error:
        raise MferError(f"a process keeps {RECORD}.lock, DVC's lock: end it, and start again") from error
    try:
        yield
    finally:
        lock.unlock()
