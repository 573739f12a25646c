"""Which processes run flows in this folder: each leaves a mark, a file named for its number in
.prefect/working.
"""

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json, refused_writes, write_json
from mfer_core.base.parent_watchdog import POLL_S

HOME = Path(".prefect")
CONTEXT_VARIABLE = "MFER_PREFECT_CONTEXT"  # file with the parent flow's serialized context
PARENT_VARIABLE = "MFER_PARENT_PID"  # the parent flow's process
ENDED = "what started this stage has ended: run it again"
ASKER_VARIABLE = "MFER_ASKER_PID"  # the process in whose place a fork of flows/fork_server.py works


def owner() -> psutil.Process:
    """What a whole run has in common: the parent flow's process where there is one, else `caller`.

    Raises MferError where that has ended.
    """
    try:
        parent = os.environ.get(PARENT_VARIABLE)
        return psutil.Process(int(parent)) if parent else caller()
    except psutil.NoSuchProcess as gone:
        raise MferError(ENDED) from gone


def caller() -> psutil.Process:
    """The nearest `dvc` above this process (a fork: above the one that asked for it), else this process.

    Raises MferError where DVC started it and has ended since: the stage would outlive its run.
    """
    asker = os.environ.get(ASKER_VARIABLE)
    process = psutil.Process(int(asker) if asker else None)
    for above in process.parents():
        if any(Path(word).name == "dvc" for word in above.cmdline()[:3]):
            return above
    if "DVC_STAGE" in os.environ and _was_left(process):
        raise MferError(ENDED)
    return psutil.Process()


def _was_left(process: psutil.Process) -> bool:
    """Whether who started a process has ended: the system gives it a parent of another session then."""
    with suppress(PermissionError):
        try:
            return os.getsid(process.ppid()) != os.getsid(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            return True
    return False


def check_writable() -> None:
    """Raise MferError where nothing can be written into this folder: on a read-only mount, say."""
    with refused_writes(HOME / "working" / "mark"):
        tempfile.TemporaryFile(dir=_marks()).close()


def mark(process: psutil.Process) -> None:
    """Count ``process`` among those that work here, from its first mark until it ends.

    Raises MferError where nothing can be written here.
    """
    check_writable()
    with FileLock(_marks().with_suffix(".lock")):
        if process not in living():
            write_json(_marks() / str(process.pid), _identity(process) | {"since_ns": time.time_ns()})


def wait_for_earlier(say: Callable[[str], None]) -> None:
    """Return when none that was marked before this process works here; ``say`` is told of each one, once."""
    named: set[psutil.Process] = set()
    while earlier := _marked_before(psutil.Process()):
        for process in sorted(set(earlier) - named, key=lambda process: process.pid):
            named.add(process)
            with suppress(psutil.NoSuchProcess):  # The process ends just now.
                say(f"waiting for {describe(process)}, which works in this folder, to end")
        time.sleep(POLL_S)


def _marked_before(process: psutil.Process) -> list[psutil.Process]:
    marks = living()
    order = {other: (marks[other]["since_ns"], other.pid) for other in marks}
    return [other for other in order if order[other] < order[process]]


def living() -> dict[psutil.Process, dict[str, Any]]:
    """The marked processes that still live, with their marks; the marks of others are removed.

    A number that another program has been given since does not count: its command or its folder is another.
    """
    marks = {}
    for path in _marks().glob("[0-9]*"):
        try:
            process, content = psutil.Process(int(path.name)), read_json(path)
            is_same = (
                process.status() != psutil.STATUS_ZOMBIE and _identity(process).items() <= content.items()
            )
        except (ValueError, AttributeError, MferError, psutil.Error):
            is_same = False
        if is_same:
            marks[process] = content
        else:
            path.unlink(missing_ok=True)
    return marks


def _identity(process: psutil.Process) -> dict[str, Any]:
    """Facts that no other process of the same number has. DVC's experiments work in a copy of the folder that
    it is in itself.
    """
    return {"command": process.cmdline(), "folder": process.cwd()}


def run_name(process: psutil.Process) -> str:
    """The same for a process whoever asks, and another for a later one of its number.

    The time of its start is no such name: the system counts it from the clock, which may be set meanwhile.
    """
    return f"{process.pid}-{hash(process) & 0xFFFFFFFF:08x}"


def lives(name: str) -> bool:
    """Whether the process of this ``run_name`` on this machine has not ended."""
    try:
        process = psutil.Process(int(name.partition("-")[0]))
        return process.status() != psutil.STATUS_ZOMBIE and run_name(process) == name
    except (psutil.NoSuchProcess, ValueError):
        return False


def describe(process: psutil.Process) -> str:
    """A process in words, such as: process 123 (`dvc repro train_audio`, since 08:40)."""
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
