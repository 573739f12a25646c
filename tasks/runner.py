"""Run one task over many shards or folds side by side, on Prefect's local task runners."""

import os
from collections.abc import Iterator
from typing import Any, Literal

from prefect import Task
from prefect.futures import as_completed
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from mfer_core.lifeline import follow
from mfer_core.progress import track


def task_runner(kind: Literal["threads", "processes"], workers: int) -> TaskRunner:
    """Threads where the work releases the interpreter (decoding, ONNX), processes where it does not (training)."""
    if kind == "threads":
        return ThreadPoolTaskRunner(max_workers=workers)
    return ProcessPoolTaskRunner(max_workers=workers, initializer=follow, initargs=(os.getpid(),))


def run_side_by_side(
    task: Task, calls: list[dict[str, Any]], kind: Literal["threads", "processes"], workers: int, title: str
) -> Iterator[Any]:
    """Yield each call's result as it ends. One call's failure does not stop the others; it is raised after them."""
    if not calls:
        return
    failures = []
    with task_runner(kind, workers) as runner:
        futures = [runner.submit(task, parameters=call) for call in calls]
        for future in track(as_completed(futures), title, total=len(futures)):
            result = future.result(raise_on_failure=False)
            if isinstance(result, BaseException):
                failures.append(result)
            else:
                yield result
    if failures:
        raise failures[0]
