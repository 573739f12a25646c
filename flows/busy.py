"""Who else computes in this folder: DVC keeps two runs apart, and this says whom a run waits for."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil

from mfer_core.base.lifeline import POLL_S

WORKING = {"repro", "exp", "checkout", "pull", "commit"}  # dvc commands that change outputs


def at_work() -> psutil.Process | None:
    """A `dvc` process, not above this one, that works in the current folder."""
    above = {process.pid for process in psutil.Process().parents()}
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if (
            process.pid not in above
            and any(Path(word).name == "dvc" for word in words[:3])
            and WORKING & set(words[1:4])
        ):
            try:
                if Path(process.cwd()) == Path.cwd():
                    return process
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue  # gone, or another person's
    return None


def wait_until_free(say: Callable[[str], None]) -> None:
    """Return when no other `dvc` works here; ``say`` is told, once each, of those that are waited for."""
    named = None
    while holder := at_work():
        if holder != named:
            named = holder
            say(f"waiting for {describe(holder)}, which works in this folder, to end")
        time.sleep(POLL_S)


def describe(process: psutil.Process) -> str:
    """Such as: process 123 (`dvc repro train_audio`, since 08:40)."""
    words = process.cmdline()
    start = next((at for at, word in enumerate(words) if Path(word).name == "dvc"), 0)
    since = time.strftime("%H:%M", time.localtime(process.create_time()))
    return f"process {process.pid} (`{' '.join(['dvc', *words[start + 1 :]])}`, since {since})"
