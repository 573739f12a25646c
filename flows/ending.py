"""What a failing run ends with, after what failed: how much is done, and the command that goes on."""

import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flows.environment import program_name
from mfer_core.base import progress
from mfer_core.base.parent_watchdog import follow
from tasks.endings import DONE, GO_ON
from tasks.fault_lines import leave_task_errors_to_the_flow
from tasks.processes import CONTEXT_VARIABLE

DEPLOYMENT = "mfer/full-pipeline"


def is_served() -> bool:
    """Whether a worker started this process: its flow has no command line that prints how it ends."""
    return "PREFECT__FLOW_RUN_ID" in os.environ and CONTEXT_VARIABLE not in os.environ


@contextmanager
def served(name: str, parameters: dict[str, Any]) -> Iterator[None]:
    """The block is of a flow that a worker started: it ends with that, and its log says how it failed."""
    follow(os.getppid())
    leave_task_errors_to_the_flow()
    with saying_how_to_go_on(name, parameters):
        yield


@contextmanager
def saying_how_to_go_on(name: str, parameters: dict[str, Any]) -> Iterator[None]:
    """Whatever error ends the block gets notes, which are printed after it: how far the last loop came,
    unless it says so itself, and the command that goes on.
    """
    reached: list[str] = []

    def remember(title: str, done: int, total: int) -> None:
        reached[:] = [f"{DONE}{title}, {done} of {total}"]

    progress.observers.append(remember)
    try:
        yield
    except Exception as error:
        for note in [] if _is_said(error) else reached:
            error.add_note(note)
        if CONTEXT_VARIABLE not in os.environ:  # A run of all stages says how it goes on itself.
            error.add_note(f"{GO_ON}once that is mended, `{command(name, parameters)}` does the rest")
        raise
    finally:
        progress.observers.remove(remember)


def _is_said(error: BaseException) -> bool:
    return any(note.startswith(DONE) for note in getattr(error, "__notes__", ()))


def command(name: str, parameters: dict[str, Any]) -> str:
    """The command that runs the flow ``name`` again. A profile that was switched to stays."""
    if "DVC_STAGE" in os.environ:
        return "dvc repro"
    if is_served():
        return shlex.join(["prefect", "deployment", "run", DEPLOYMENT, *_assigned(parameters)])
    words = [*program_name().split(), name]
    if name == "fetch":
        return shlex.join([*words, parameters["corpus"]])
    for option, value in parameters.items():
        words += [] if option == "profile" else _options(f"--{option.replace('_', '-')}", value)
    return shlex.join(words)


def _assigned(parameters: dict[str, Any]) -> list[str]:
    given = {name: value for name, value in parameters.items() if value and name != "profile"}
    return [word for name, value in given.items() for word in ("-p", f"{name}={_written(value)}")]


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _options(option: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [option] if value else []
    values = value if isinstance(value, list) else [value]
    return [word for one in values if one is not None for word in (option, str(one))]
