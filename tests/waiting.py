"""Waiting for what another process does."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value")
POLL_S = 0.1
LIMIT_S = 600  # A busy machine is slow; who waits in vain for this long waits for what will not come.


def wait_for(condition: Callable[[], Value], what: str, limit_s: float = LIMIT_S) -> Value:
    """Return the first true value of ``condition``. Fails with ``what`` was awaited after ``limit_s``."""
    deadline = time.monotonic() + limit_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(POLL_S)
    return value


def wait_in(process: subprocess.Popen, log: Path, condition: Callable[[], Value], what: str) -> Value:
    """As ``wait_for``, while ``process`` lives; the end of its ``log`` is shown where it ends instead."""
    value = wait_for(lambda: process.poll() is not None or condition(), what)
    assert process.poll() is None, log.read_text()[-3000:]
    return value


def wait_for_text(process: subprocess.Popen, log: Path, text: str) -> str:
    """All that stands in ``log`` once ``text`` does."""
    wait_in(process, log, lambda: text in log.read_text(), f"{text!r} in {log}")
    return log.read_text()
