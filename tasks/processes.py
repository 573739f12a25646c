"""Which processes run flows in this folder: each leaves a mark, a file named for its number in .prefect/working."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from filelock import FileLock

from mfer_core.base.lifeline import POLL_S

HOME = Path(".prefect")


def owner() -> psutil.Process:
    """The nearest `dvc` process above this one, or this process itself: what a whole run has in common."""
    here = psutil.Process()
    for parent in here.parents():
        if any(Path(word).name == "dvc" for word in parent.cmdline()[:3]):
            return parent
    return here


def mark(process: psutil.Process) -> None:
    """Count ``process`` among those that work here, from its first mark until it ends."""
    with FileLock(_marks().with_suffix(".lock")):
        path = _marks() / str(process.pid)
        if process not in living():
            path.touch()
            os.utime(path, ns=(time.time_ns(), time.time_ns()))  # finer than the kernel's own clock for files


def wait_for_earlier(say: Callable[[str], None]) -> None:
    """Return when none that was marked before this process works here; ``say`` is told of each one, once."""
    told = set()
    while earlier := _marked_before(psutil.Process()):
        for process in sorted(set(earlier) - told, key=lambda process: process.pid):
            told.add(process)
            say(f"waiting for {describe(process)}, which works in this folder, to end")
        time.sleep(POLL_S)


def _marked_before(process: psutil.Process) -> list[psutil.Process]:
    order = {other: ((_marks() / str(other.pid)).stat().st_mtime_ns, other.pid) for other in living()}
    return [other for other in order if order[other] < order[process]]


def living() -> list[psutil.Process]:
    """The marked processes that still live here; the marks of others are removed.

    A number that another program has been given since does not count: that one works in another folder.
    """
    processes = []
    for path in _marks().iterdir():
        try:
            process = psutil.Process(int(path.name))
            here = Path(process.cwd()).is_relative_to(Path.cwd())
        except (ValueError, psutil.Error):
            here = False
        if here and process.status() != psutil.STATUS_ZOMBIE:
            processes.append(process)
        else:
            path.unlink(missing_ok=True)
    return processes


def describe(process: psutil.Process) -> str:
    """Such as: process 123 (`dvc repro train_audio`, since 08:40)."""
    words = process.cmdline()
    start = next((at for at, word in enumerate(words) if Path(word).name == "dvc"), 0)
    since = time.strftime("%H:%M", time.localtime(process.create_time()))
    return (
        f"process {process.pid} (`{' '.join([Path(words[start]).name, *words[start + 1 :]])}`, since {since})"
    )


def _marks() -> Path:
    folder = HOME / "working"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
