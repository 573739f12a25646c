"""Run one stage as a Prefect flow: on its own, under `dvc repro`, or as a subflow of `mfer` in another process."""

import importlib
import logging
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psutil

from flows.api import ensure_api
from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json, write_json
from mfer_core.base.lifeline import follow, owner

CONTEXT_VARIABLE = "MFER_PREFECT_CONTEXT"  # file with the parent flow's serialized context
PARENT_VARIABLE = "MFER_PARENT_PID"  # the parent flow's process
SECONDS = Path(".prefect/seconds.json")  # of each stage's last run


def run_stage(name: str, **parameters: Any) -> None:
    """Call the flow ``name``: a stage, or one of flows/mfer.py. Raises MferError for a fault a person can mend."""
    follow(owner().pid)
    if PARENT_VARIABLE in os.environ:
        follow(int(os.environ[PARENT_VARIABLE]))
    ensure_api()
    module = "flows.mfer" if name in ("mfer", "fetch") else "flows.stages"
    flow = getattr(importlib.import_module(module), name)
    _set_up_logging()
    _publish_progress()
    corpus = parameters.get("corpus")
    with _parent_context(), _tags(stage=name, corpus=corpus):
        flow(**parameters)
    if name != "mfer":  # its stages have recorded theirs
        _record_seconds(f"{name}@{corpus}" if corpus else name)


def _tags(**labels: str | None) -> AbstractContextManager:
    """Prefect's tags of a run and its tasks, such as corpus:ravdess."""
    from prefect import tags

    return tags(*(f"{name}:{value}" for name, value in labels.items() if value))


def _publish_progress() -> None:
    from mfer_core.base import progress
    from tasks.progress import ProgressArtifacts

    progress.observers[:] = [ProgressArtifacts()]


def _record_seconds(stage: str) -> None:
    """How long this process has lived, Python's start and Prefect's overhead included."""
    seconds = read_json(SECONDS) if SECONDS.exists() else {}
    seconds[stage] = {"seconds": round(time.time() - psutil.Process().create_time(), 2), "ended": time.time()}
    write_json(SECONDS, seconds)


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


class _OneLine(logging.Filter):
    """Prefect logs a traceback for every exception; a fault that a person can mend is said in one line instead."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], MferError):
            record.msg, record.args, record.exc_info = str(record.exc_info[1]), (), None
        return True


def _set_up_logging() -> None:
    """mfer_core's log lines go where Prefect's go: to the terminal and, through `extra_loggers`, to the API."""
    from prefect.logging.configuration import setup_logging

    setup_logging()
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(_OneLine())
    ours = logging.getLogger("mfer")
    ours.setLevel(logging.INFO)
    for handler in logging.getLogger("prefect").handlers:
        ours.addHandler(handler)
