"""Bring stages up to date from inside a flow: each becomes a task, which runs a `dvc repro` of it alone,
and those that do not wait for each other run side by side.
"""

import itertools
import os
import queue
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture

from mfer_core.base.errors import Faults, MferError
from mfer_core.base.settings import Settings
from tasks.dvc_locks import forget_the_dead, works_here
from tasks.dvc_plan import BLOCKED, BusyError, machine, plan
from tasks.endings import DONE, ENDING, FAULT
from tasks.processes import CONTEXT_VARIABLE, HOME, PARENT_VARIABLE, describe
from tasks.schedule import Schedule, Step

RUNNING = re.compile(r"Running stage '(.+)':")
LOGGED = ("Running stage", "Stage '", "ERROR:")  # DVC's own lines of which the task's log tells
TRACEBACK = "Traceback (most recent call last):"
# What DVC says of a single stage, and what would be wrong or no news of a run of many.
NO_NEWS = re.compile(
    r"\s*$|(Updating|Generating) lock file|Data and pipelines are up to date|Use `dvc push`"
    r"|To (track|enable)|\t(git add|dvc config) |stopped; the next run goes on"
)
_dvc_processes: set[subprocess.Popen] = set()  # of all threads of this process


def reproduce(
    settings: Settings, targets: list[str], force: bool, downstream: bool = False
) -> tuple[list[str], list[str]]:
    """Reproduce ``targets`` and what they depend on; returns the stages that ran, and those up to date.

    After a stage that failed no other one starts, and those that are running go to their end. Raises
    MferError that says what failed.
    """
    schedule = Schedule(_plan(settings, targets, downstream), *machine(), force)
    ended: queue.SimpleQueue[tuple[str, PrefectFuture]] = queue.SimpleQueue()
    futures: dict[str, PrefectFuture] = {}
    ran: list[str] = []
    faults: list[BaseException] = []
    with _ending_all():
        while True:
            for step in [] if faults else schedule.start():
                before = [futures[name] for name in step.needs if name in futures]
                future = reproduce_stage.submit(
                    stage=step.name, force=force, wait_for=before, return_state=False
                )
                futures[step.name] = future
                future.add_done_callback(partial(_put, ended, step.name))
            if not schedule.running:
                break
            name, future = ended.get()
            result = future.result(raise_on_failure=False)
            schedule.end(name, ran=result is True)
            ran += [name] if result is True else []
            if isinstance(result, BaseException):
                faults.append(result)
                if schedule.running:
                    others = ", ".join(schedule.running)
                    get_run_logger().error(f"{name} failed; what is at work goes to its end: {others}")
    if faults:
        error = _joined(faults)
        up_to_date = len(schedule.passed_over)
        error.add_note(f"{DONE}stages: {len(ran)} ran, {up_to_date} up to date, {schedule.left} not started")
        raise error
    return ran, [name for name in (*schedule.passed_over, *futures) if name not in ran]


def _put(ended: queue.SimpleQueue, name: str, future: PrefectFuture) -> None:
    ended.put((name, future))


def _plan(settings: Settings, targets: list[str], downstream: bool) -> list[Step]:
    """DVC's plan, once no other `dvc` works on what it asks about."""
    while True:
        try:
            return plan(settings, targets, downstream)
        except BusyError as busy:
            _wait_for(busy.pid, get_run_logger().info)


def _joined(faults: list[BaseException]) -> BaseException:
    """One error for all; a bug comes first, with its traceback."""
    bugs = [fault for fault in faults if not isinstance(fault, MferError)]
    if bugs or len(faults) == 1:
        return (bugs or faults)[0]
    return Faults([str(fault) for fault in faults])


@task(task_run_name="{stage}", cache_policy=NO_CACHE)
def reproduce_stage(stage: str, force: bool) -> bool:
    """`dvc repro` of one stage alone; returns whether it ran.

    Where another `dvc` works on what the stage needs, it waits for that one's end. Raises MferError when DVC
    fails otherwise.
    """
    options = ["--single-item", *(["--force"] if force else [])]
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *options, stage]
    while True:
        status, said = _run(command)
        if not status:
            return any(RUNNING.match(line) for line in said)
        if not (blocked := BLOCKED.search("\n".join(said))):
            raise MferError(f"{stage} stopped: {_fault(said, status)}")
        _wait_for(int(blocked[1]), get_run_logger().info)


def _run(command: list[str]) -> tuple[int, list[str]]:
    """DVC's exit status and the lines that it and its stage printed."""
    with tempfile.TemporaryDirectory(dir=HOME, prefix="run-") as folder:
        process = subprocess.Popen(
            command,
            env=_environment(Path(folder)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        _dvc_processes.add(process)
        try:
            lines = _follow_output(process)
        finally:
            process.terminate()
            process.wait()
            _dvc_processes.discard(process)
    return process.returncode, lines


@contextmanager
def _ending_all() -> Iterator[None]:
    """Whatever ends the block early (Ctrl-C, a cancelled run) ends every `dvc`, and with it its stage."""
    try:
        yield
    finally:
        for process in [*_dvc_processes]:
            process.terminate()


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


def _fault(lines: list[str], status: int = 1) -> str:
    """What a stage said, or else what DVC said (it names who holds a lock on the lines after), or else the
    last words; but what DVC said before it was killed, as its exit ``status`` tells, is no fault.
    """
    if status < 0 and not _is_told(lines):
        return "its dvc was ended from outside: is there memory enough? Run it again"
    if fault := next((line for line in lines if line.startswith(FAULT)), None):
        done = next((line.removeprefix(DONE) for line in lines if line.startswith(DONE)), None)
        return fault.removeprefix(FAULT) + (f" ({done})" if done else "")
    if bug := _bug(lines):
        return f"a bug, whose traceback is above ({bug})"
    start = next((at for at, line in enumerate(lines) if line.startswith("ERROR: ")), len(lines) - 1)
    said = itertools.takewhile(bool, lines[max(start, 0) :])
    return " ".join(line.strip() for line in said).removeprefix("ERROR: ") or "no output"


def _is_told(lines: list[str]) -> bool:
    """Whether the stage itself said how it failed."""
    return TRACEBACK in lines or any(line.startswith(FAULT) for line in lines)


def _bug(lines: list[str]) -> str | None:
    """The type of the exception whose traceback a stage printed last."""
    if TRACEBACK not in lines:
        return None
    last = len(lines) - lines[::-1].index(TRACEBACK)
    named = next((line for line in lines[last:] if line and not line.startswith(" ")), "")
    return named.partition(":")[0] or None


def _environment(folder: Path) -> dict[str, str]:
    """What a stage needs to join: the API, the task's context in a private file, the flow's process."""
    import cloudpickle
    from prefect.context import serialize_context
    from prefect.settings import PREFECT_API_URL

    context = folder / "context"
    context.write_bytes(cloudpickle.dumps(serialize_context()))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    joining = {CONTEXT_VARIABLE: str(context.absolute()), PARENT_VARIABLE: str(os.getpid()), "PATH": path}
    return os.environ | joining | {"PREFECT_API_URL": PREFECT_API_URL.value()}


def _follow_output(process: subprocess.Popen) -> list[str]:
    """Pass the output on as it comes, but for how a stage failed, which this flow says at its end; DVC's own
    lines go to the task's log.
    """
    logger = get_run_logger()
    assert process.stdout is not None  # the process was started with a pipe
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if line.startswith(LOGGED):
            if not (line.startswith("ERROR:") and _is_told(lines)):
                logger.info(line.rstrip())
        elif not line.startswith(ENDING) and not NO_NEWS.match(line):
            print(line, end="", flush=True)
    process.wait()
    return lines
