"""Run `dvc repro` from inside a flow so that its stages become subflows of that flow."""

import itertools
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
from prefect import get_run_logger

from mfer_core.base.errors import MferError
from tasks.dvc_locks import forget_the_dead, works_here
from tasks.processes import HOME, describe

RAN = re.compile(r"Running stage '(.+)':")
SKIPPED = re.compile(r"Stage '(.+)' didn't change, skipping")
BLOCKED = re.compile(r"is busy, it is being blocked by:\s+\(PID (\d+)\)")
FAULT = "error: "  # A stage's error line begins with this; this flow's error repeats the line.


def reproduce(targets: list[str], force: bool, downstream: bool = False) -> tuple[list[str], list[str]]:
    """Run `dvc repro`; returns the stages that ran and those that were up to date.

    Where another `dvc` works on what a stage needs, it waits for that one's end. Raises MferError when DVC
    fails otherwise.
    """
    options = [*(["--force"] if force else []), *(["--downstream"] if downstream else [])]
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *options, *targets]
    lines: list[str] = []
    while True:
        status, said = _run(command)
        lines += said
        if not status:
            return _named(RAN, lines), _named(SKIPPED, lines)
        if not (blocked := BLOCKED.search("\n".join(said))):
            raise MferError(f"dvc repro stopped: {_fault(said)}")
        _wait_for(int(blocked[1]), get_run_logger().info)


def _named(pattern: re.Pattern, lines: list[str]) -> list[str]:
    return [match[1] for line in lines if (match := pattern.match(line))]


def _run(command: list[str]) -> tuple[int, list[str]]:
    """DVC's exit status and the lines that it and its stages printed."""
    with tempfile.TemporaryDirectory(dir=HOME, prefix="run-") as folder:
        process = subprocess.Popen(
            command,
            env=_environment(Path(folder)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        try:
            lines = _follow_output(process)
        finally:
            process.terminate()
            process.wait()
    return process.returncode, lines


def _wait_for(pid: int, say: Callable[[str], None]) -> None:
    """Return when the `dvc` with this number, which holds what a stage needs, has ended.

    Where it was killed and the number is another program's by now, DVC is made to forget it: it would wait
    for that program for ever.
    """
    if not works_here(pid):
        forget_the_dead()
        return
    try:
        process = psutil.Process(pid)
        say(f"waiting for {describe(process)}, which works in this folder, to end")
        process.wait()
    except psutil.NoSuchProcess:
        return  # The process ended meanwhile.


def _fault(lines: list[str]) -> str:
    """What a stage said, or else what DVC said (it names who holds a lock on the lines after), or else the
    last words.
    """
    if fault := next((line for line in lines if line.startswith(FAULT)), None):
        return fault.removeprefix(FAULT)
    start = next((at for at, line in enumerate(lines) if line.startswith("ERROR: ")), len(lines) - 1)
    said = itertools.takewhile(bool, lines[max(start, 0) :])
    return " ".join(line.strip() for line in said).removeprefix("ERROR: ") or "no output"


def _environment(folder: Path) -> dict[str, str]:
    """What a stage process needs to join: the API, the parent's context in a private file, the parent's
    number.
    """
    import cloudpickle
    from prefect.context import serialize_context
    from prefect.settings import PREFECT_API_URL

    context = folder / "context"
    context.write_bytes(cloudpickle.dumps(serialize_context()))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    joining = {
        "MFER_PREFECT_CONTEXT": str(context.absolute()),
        "MFER_PARENT_PID": str(os.getpid()),
        "PATH": path,
    }
    return os.environ | joining | {"PREFECT_API_URL": PREFECT_API_URL.value()}


def _follow_output(process: subprocess.Popen) -> list[str]:
    """Pass the output on as it comes, but for a stage's fault; DVC's own lines also go to the flow's log."""
    logger = get_run_logger()
    assert process.stdout is not None  # the process was started with a pipe
    lines = []
    for line in process.stdout:
        if not line.startswith(FAULT):
            print(line, end="", flush=True)
        lines.append(line.rstrip())
        if RAN.match(line) or SKIPPED.match(line) or line.startswith(("ERROR:", "Data and pipelines")):
            logger.info(line.rstrip())
    process.wait()
    return lines
