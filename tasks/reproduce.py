"""Run `dvc repro` from inside a flow so that its stages become subflows of that flow."""

import itertools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from prefect import get_run_logger

from mfer_core.base.errors import MferError

RAN = re.compile(r"Running stage '(.+)':")
SKIPPED = re.compile(r"Stage '(.+)' didn't change, skipping")


def reproduce(targets: list[str], force: bool, downstream: bool = False) -> tuple[list[str], list[str]]:
    """Run `dvc repro`; returns the stages that ran and those that were up to date. Raises MferError when it fails."""
    options = [*(["--force"] if force else []), *(["--downstream"] if downstream else [])]
    command = [sys.executable, "-m", "dvc", "repro", *options, *targets]
    with tempfile.TemporaryDirectory(dir=".prefect", prefix="run-") as folder:
        process = subprocess.Popen(
            command,
            env=_environment(Path(folder)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            lines = _follow_output(process)
        finally:
            process.terminate()
            process.wait()
    if process.returncode:
        raise MferError(f"dvc repro stopped: {_fault(lines)}")
    return (
        [m[1] for line in lines if (m := RAN.match(line))],
        [m[1] for line in lines if (m := SKIPPED.match(line))],
    )


def _fault(lines: list[str]) -> str:
    """What a stage said, or else what DVC said (it names who holds a lock on the lines after), or else the last words."""
    if own := next((line for line in lines if line.startswith("error: ")), None):
        return own.removeprefix("error: ")
    start = next((at for at, line in enumerate(lines) if line.startswith("ERROR: ")), len(lines) - 1)
    said = itertools.takewhile(bool, lines[max(start, 0) :])
    return " ".join(line.strip() for line in said).removeprefix("ERROR: ") or "no output"


def _environment(folder: Path) -> dict[str, str]:
    """What a stage process needs to join: the API, the parent's context in a private file, the parent's number."""
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
    """Pass the output on as it comes; DVC's own lines also go to the flow's log."""
    logger = get_run_logger()
    lines = []
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line.rstrip())
        if (
            RAN.match(line)
            or SKIPPED.match(line)
            or line.startswith(("ERROR:", "error:", "Data and pipelines"))
        ):
            logger.info(line.rstrip())
    process.wait()
    return lines
