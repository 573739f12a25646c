"""The program behind `mfer` and `python -m flows`: one command, and the one line for what a person can
mend.
"""

import os
import sys
from io import TextIOWrapper
from typing import NoReturn

from flows.environment import program_name, set_environment
from flows.fork_client import is_stage_below_dvc, run_in_fork
from mfer_core.base.errors import Faults, one_line
from mfer_core.base.parent_watchdog import end_family

INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked; returns the exit status. A fault that a person can mend is one line on stderr and
    status 1.
    """
    set_environment()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a pipe that takes ASCII only loses no letter
    from flows.commands import STOPPED, app

    try:
        app(arguments, prog_name=program_name())
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:  # A reader such as `head` closed the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except Exception as error:
        from tasks.fault_lines import fault_line

        line = fault_line(error)
        if line is None:
            raise
        for fault in error.lines if isinstance(error, Faults) else [line]:
            print(f"error: {one_line(fault, None)}", file=sys.stderr)
        for note in getattr(error, "__notes__", ()):  # Python itself prints those of a bug.
            print(one_line(note, None), file=sys.stderr)
        status = 1
    if status == INTERRUPTED:
        print(STOPPED, file=sys.stderr)
    return status


def program() -> None:
    """The console command."""
    _end(main())


def _end(status: int) -> NoReturn:
    """End with the status, without waiting for pools when this was stopped."""
    if status == INTERRUPTED:
        sys.stdout.flush()
        end_family(status)
    sys.exit(status)


def _stage_in_fork() -> int | None:
    """The exit status of a stage that ran in a fork; None where this process is to do the work."""
    set_environment()
    try:
        return run_in_fork(sys.argv[1:]) if is_stage_below_dvc() else None
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    status = _stage_in_fork()
    _end(main() if status is None else status)
