"""Run one flow: on its own, under `dvc repro`, or as a subflow of `mfer` in another process."""

import importlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NoReturn

from flows.commands import STOPPED
from flows.ending import saying_how_to_go_on
from flows.environment import VERBOSE
from flows.fork_client import ensure_fork_server, is_stage_below_dvc
from flows.local_api import ensure_api
from flows.seconds import record_seconds
from mfer_core.base.parent_watchdog import end_family, follow
from tasks.processes import CONTEXT_VARIABLE, caller, mark, owner

UNWIND_S = 3  # A stopped flow may tidy up for this long; its pools would wait for the calls they are running.


def run_flow(name: str, **parameters: Any) -> None:
    """Call the flow ``name``: a stage, or one of flows/mfer.py. Raises what the flow does."""
    _end_on_interrupt()
    for process in {owner(), caller()}:
        follow(process.pid)
    mark(owner())
    ensure_api()
    if is_stage_below_dvc():
        ensure_fork_server()
    _read_prefect_settings()
    module = "flows.mfer" if name in ("mfer", "fetch") else "flows.stages"
    flow = getattr(importlib.import_module(module), name)
    _set_up_logging()
    _publish_progress()
    corpus = parameters.get("corpus")
    with saying_how_to_go_on(name, parameters), _parent_context(), _tags(stage=name, corpus=corpus):
        flow(**parameters)
    if module == "flows.stages":
        record_seconds(f"{name}@{corpus}" if corpus else name)


def _read_prefect_settings() -> None:
    """Prefect reads its settings when it is imported: in a fork, before the API of this run was known."""
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()


def _end_on_interrupt() -> None:
    """Ctrl-C: the flow unwinds, and after ``UNWIND_S`` this process and its children end wherever they are.

    What is written is whole or not there, so that the next run goes on. The signal's number also comes
    through a socket to a thread, since Python's own handler waits for the end of a long computation in C.
    """
    received, sent = socket.socketpair()
    sent.setblocking(False)
    signal.signal(signal.SIGINT, _interrupt)
    signal.set_wakeup_fd(sent.fileno())
    threading.Thread(target=_end, args=(received, sent), name="interrupt", daemon=True).start()


def _interrupt(*_: Any) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end(received: socket.socket, _sent: socket.socket) -> NoReturn:
    while received.recv(1)[0] != signal.SIGINT:
        pass
    time.sleep(UNWIND_S)
    print(STOPPED, file=sys.stderr, flush=True)
    end_family(128 + signal.SIGINT)


def _tags(**labels: str | None) -> AbstractContextManager:
    """Prefect's tags of a run and its tasks, such as corpus:ravdess."""
    from prefect import tags

    return tags(*(f"{name}:{value}" for name, value in labels.items() if value))


def _publish_progress() -> None:
    from mfer_core.base import progress
    from tasks.progress import ProgressArtifacts

    progress.observers[:] = [ProgressArtifacts()]


@contextmanager
def _parent_context() -> Iterator[None]:
    """Join the flow run that started `dvc repro`, if there is one, so that this stage is its subflow."""
    if CONTEXT_VARIABLE not in os.environ:
        yield
        return
    import cloudpickle
    from prefect.context import hydrated_context

    # A private file (mode 600) that our own parent process wrote a moment ago.
    with hydrated_context(cloudpickle.loads(Path(os.environ[CONTEXT_VARIABLE]).read_bytes())):
        yield


def _set_up_logging() -> None:
    """Log lines of the library go where Prefect's go: to the terminal and, through `extra_loggers`, to the
    API.
    """
    import logging

    from prefect.logging.configuration import setup_logging

    from tasks.fault_lines import leave_errors_to_the_command_line, shorten_faults

    setup_logging()
    shorten_faults()
    logging.getLogger("mfer").setLevel(logging.DEBUG if os.environ.get(VERBOSE) else logging.INFO)
    leave_errors_to_the_command_line()
