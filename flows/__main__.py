"""The program behind `mfer` and `python -m flows`: one command, and the one line for what a person can mend."""

import os
import sys
from pathlib import Path

from flows.environment import set_environment
from mfer_core.base.errors import Faults, mendable

STOPPED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked; returns the exit status. A fault that a person can mend is one line on stderr and status 1."""
    set_environment()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(
            errors="backslashreplace"
        )  # a pipe or terminal that takes ASCII only loses no letter
    from flows.commands import app

    program = "mfer" if Path(sys.argv[0]).stem == "mfer" else "python -m flows"
    try:
        app(arguments, prog_name=program)
    except SystemExit as end:
        status = end.code or 0
    except KeyboardInterrupt:
        status = STOPPED
    except BrokenPipeError:  # such as `mfer show | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except Exception as error:
        line = mendable(error)
        if line is None:
            raise
        for fault in error.lines if isinstance(error, Faults) else [line]:
            print(f"error: {fault}", file=sys.stderr)
        status = 1
    if status == STOPPED:
        print("stopped; the next run goes on where this one ended", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
