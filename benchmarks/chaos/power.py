"""A loss of power: what a run that was killed had not synced is taken away from the disk again.

Three file systems are played. ``DATA``: names outlast the loss, contents that were not synced are empty, as
on one that journals its names only. ``SOME``: it had written half of those contents by then. ``NAMES``: all
of them are empty, and every rename, removal and new folder is undone after which nobody synced the folder
that it stands in, which is all that POSIX promises.
"""

import json
import os
import shutil
import zlib
from pathlib import Path

from benchmarks.chaos.points import FILES

DATA, SOME, NAMES = "data", "some", "names"


def lose_power(points: Path, folders: list[Path], before: dict[str, tuple], kind: str) -> list[str]:
    """Change the files below ``folders`` into what outlasts the loss; returns what was taken, in words.

    ``points`` is the folder of Points, ``before`` the files and their ``state`` when the run started.
    """
    path = points / "points.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    events = [event for event in map(json.loads, lines) if event[0] in FILES]
    taken = _undo_names(events) if kind == NAMES else []
    synced = {tuple(event[3]) for event in events if event[0] == "fsync" and not event[2]}
    for file in sorted(path for folder in folders for path in folder.rglob("*")):
        if not file.is_file() or file.is_symlink():
            continue
        if state(file) in synced or before.get(str(file)) == state(file) or not file.stat().st_size:
            continue
        if kind != SOME or zlib.crc32(f"{len(events)} {file.name}".encode()) % 2:
            taken.append(f"content of {file}")
            os.truncate(file, 0)
    return taken


def state(path: Path) -> tuple:
    """What changes whenever a file's content does."""
    facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _undo_names(events: list[list]) -> list[str]:
    """Undo, the last one first, what no later sync of its folder has made sure."""
    synced: set[str] = set()
    taken = []
    for kind, path, *facts in reversed(events):
        if kind == "fsync" and facts[0]:
            synced.add(path)
            continue
        if kind == "fsync":
            continue
        changed = Path(facts[0]) if kind == "rename" else Path(path)
        if str(changed.parent) in synced:
            continue
        taken.append(f"{kind} of {changed.name}")
        saved = facts[-1] if facts and kind != "mkdir" else None
        if kind == "mkdir":
            shutil.rmtree(changed, ignore_errors=True)
        elif kind == "rename" and changed.exists() and Path(path).parent.is_dir():
            changed.rename(path)
        if saved and changed.parent.is_dir():
            os.link(saved, changed)
    return taken
