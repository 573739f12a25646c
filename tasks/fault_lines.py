"""Prefect logs every exception with its traceback, for each task and flow on its way: a fault that a person
can mend is one line on Prefect's page, and on the terminal what the command line says at the end.
"""

import logging
import os
import traceback
from typing import cast

from mfer_core.base.errors import Faults, mendable, one_line
from tasks.endings import FAULT

FLOW_RUNS, TASK_RUNS = "prefect.flow_runs", "prefect.task_runs"
RUNS = (FLOW_RUNS, TASK_RUNS, "prefect.engine")


class ShortenFaults(logging.Filter):
    """The line in place of the traceback, once; a state that repeats it is named without. With
    ``whole_ending`` all lines with which a command would end.
    """

    def __init__(self, whole_ending: bool) -> None:
        super().__init__()
        self._whole_ending = whole_ending
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        error, line = _error(record), _line(record)
        if error is not None and line:
            is_new = line not in self._said
            self._said |= {line, str(error)}
            record.msg = _ending(error, line) if self._whole_ending else line
            record.args, record.exc_info, record.is_fault, record.is_line = (), None, True, True
            return is_new
        message = record.getMessage()
        if message.startswith("Finished in state") and any(line and line in message for line in self._said):
            record.msg, record.args, record.is_fault = message.partition("(")[0], (), True
        return True


class DropFaults(logging.Filter):
    """Drops both the fault's line and the state that repeats it."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (getattr(record, "is_fault", False) or _line(record))


class DropErrors(DropFaults):
    """Drops bugs too: an error of a run, with its traceback, and the state that repeats it."""

    def filter(self, record: logging.LogRecord) -> bool:
        is_bug = _error(record) is not None or record.getMessage().startswith("Finished in state Failed")
        return super().filter(record) and not (is_bug and record.name in RUNS)


class LeaveErrorsToTheFlow(logging.Filter):
    """Drops the error of a task, which its flow says too."""

    def filter(self, record: logging.LogRecord) -> bool:
        is_error = _error(record) is not None or getattr(record, "is_line", False)
        return not (is_error and record.name == TASK_RUNS)


class KeepTraceback(logging.Filter):
    """Writes a bug's traceback into its notes, since a process passes on an error without it."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = _error(record)
        if error is not None and not _line(record) and not hasattr(error, "__notes__"):
            places = "".join(traceback.format_tb(error.__traceback__)).rstrip()
            error.add_note(f"in a process of its own:\n{places}")
        return True


def shorten_faults(served: bool = False) -> None:
    """Log a mendable fault as one line during the run of a flow or task in this process. A flow that is
    ``served`` has no command line that says its ending, so that its log does.
    """
    for name in RUNS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, ShortenFaults) for one in logger.filters):
            logger.addFilter(ShortenFaults(served and name == FLOW_RUNS))


def leave_errors_to_the_command_line() -> None:
    """Prefect's errors stay out of the terminal: the command line prints them itself, once, at the end."""
    for terminal in logging.getLogger().handlers:
        terminal.addFilter(DropErrors())


def leave_task_errors_to_the_flow() -> None:
    """The errors of tasks stay out of the terminal, where the flow says them at the end."""
    for terminal in logging.getLogger().handlers:
        terminal.addFilter(LeaveErrorsToTheFlow())


def leave_faults_to_the_parent() -> None:
    """Log no mendable fault in a worker process, whose parent logs it, and take a bug's traceback there."""
    from prefect.logging.configuration import setup_logging

    setup_logging()
    shorten_faults()
    for name in RUNS:
        logging.getLogger(name).addFilter(DropFaults())
        logging.getLogger(name).addFilter(KeepTraceback())
    leave_errors_to_the_command_line()


def fault_line(error: BaseException) -> str | None:
    """The line for a fault that a person can mend, Prefect's server that is gone among them; None for a
    bug.
    """
    return mendable(error) or _silence_of_server(error)


def _silence_of_server(error: BaseException) -> str | None:
    """The line for an error behind which Prefect's server did not answer, or was too busy to."""
    import httpx

    api, cause = os.environ.get("PREFECT_API_URL"), cast("BaseException | None", error)
    while api and cause is not None:
        request = getattr(cause, "_request", None)  # The public property raises where there is none.
        busy = isinstance(cause, httpx.HTTPStatusError) and cause.response.is_server_error
        silent = busy or isinstance(cause, httpx.TransportError)
        if silent and request and str(request.url).startswith(api):
            why = one_line(cause) or type(cause).__name__
            return f"Prefect's server at {api} did not answer any more ({why}): once it does, run this again"
        cause = cause.__cause__ or cause.__context__
    return None


def _ending(error: BaseException, line: str) -> str:
    faults = error.lines if isinstance(error, Faults) else [line]
    notes = getattr(error, "__notes__", ())
    return "\n".join([*(f"{FAULT}{one_line(fault, None)}" for fault in faults), *notes])


def _error(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None


def _line(record: logging.LogRecord) -> str | None:
    error = _error(record)
    if isinstance(error, KeyboardInterrupt):
        return "stopped"
    return fault_line(error) if error else None
