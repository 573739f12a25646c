"""Parent watchdog: a process ends itself when the process that it works for is gone, even after SIGKILL.

``python -m mfer_core.base.parent_watchdog PID MODULE ...`` is ``python -m MODULE ...`` for as long as process
PID lives.
"""

import os
import runpy
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import NoReturn

import psutil

POLL_S = 1.0


def follow(pid: int) -> None:
    """Kill this process and its children as soon as process ``pid`` is gone. Safe against reuse of the
    number.
    """
    if pid == os.getpid():
        return
    try:
        followed = psutil.Process(pid)
    except psutil.NoSuchProcess:
        end_family(1)
    threading.Thread(target=_watch, args=(followed,), name=f"follow-{pid}", daemon=True).start()


def work_for(pid: int) -> None:
    """Prepare a pool's process: it ends with process ``pid``, and ignores Ctrl-C, which that process
    handles.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    follow(pid)


def end_family(status: int) -> NoReturn:
    """End this process at once, and all that it started."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    os._exit(status)


def _watch(followed: psutil.Process) -> None:
    while _lives(followed):
        time.sleep(POLL_S)
    end_family(1)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    follow(int(sys.argv[1]))
    sys.argv[:] = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
