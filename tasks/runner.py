"""Run one task over many shards or folds side by side: on this machine, or on a Dask cluster.

Where it runs is one setting, ``runner`` in params.yaml, which no key and no DVC stage depends on.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, Self

from prefect import Task, tags
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from mfer_core.base.errors import MferError
from mfer_core.base.parent_watchdog import work_for
from mfer_core.base.progress import track
from mfer_core.base.workers import LostWorkerError, fork_server
from tasks.endings import DONE
from tasks.fault_lines import leave_faults_to_the_parent

ENDED_OUTSIDE = "a task's process was ended from outside: is there memory enough? Run it again"
PRELOAD = "tasks.train"  # A pool loads this module once, for all of its processes.


def task_runner(runner: str, kind: Literal["threads", "processes"], workers: int) -> TaskRunner:
    """``runner`` as in params.yaml. Locally: threads for work that waits for other processes, processes for
    training.
    """
    if runner != "local":
        from tasks.cluster import dask_runner

        return dask_runner(runner, workers)
    if kind == "threads":
        return ThreadPoolTaskRunner(max_workers=workers)
    return ForkServerTaskRunner(max_workers=workers, initializer=_start_worker, initargs=(os.getpid(),))


class ForkServerTaskRunner(ProcessPoolTaskRunner):
    """Processes of multiprocessing's fork server, which has imported what they need; Prefect's are bare."""

    def __enter__(self) -> Self:
        super().__enter__()
        assert self._executor is not None  # made by Prefect, without a process so far
        self._executor._mp_context = fork_server(PRELOAD)
        self._executor.submit = partial(self._executor.submit, _call)  # type: ignore[call-arg, method-assign]
        return self


def _call(work: Callable[[], Any]) -> Any:
    """The result of ``work``, in a process of the pool.

    Prefect ends the process where its server refuses a task or is gone, and the future that the run waits
    for passes on no SystemExit: the run would wait for ever.
    """
    try:
        return work()
    except SystemExit as end:
        why = "Prefect's server did not answer, or refused it"
        raise MferError(f"a task could not go on ({why}): once it answers, run this again") from end


def _start_worker(parent: int) -> None:
    """Runs first in each process of the pool."""
    work_for(parent)
    leave_faults_to_the_parent()


def run_side_by_side(
    task: Task,
    calls: list[dict[str, Any]],
    runner_setting: str,
    kind: Literal["threads", "processes"],
    workers: int,
    title: str,
    tag: Callable[[dict[str, Any]], list[str]] = lambda call: [],
) -> Iterator[Any]:
    """Yield each call's result as it ends. One call's failure does not stop the others; it is raised after
    them.

    Calls carry paths, not tensors; ``tag`` names a call's tags in Prefect. Raises MferError when a cluster's
    workers do not run this code.
    """
    if not calls:
        return
    failures: list[BaseException] = []
    with task_runner(runner_setting, kind, workers) as runner, _not_waiting():
        if runner_setting != "local":
            from prefect_dask import DaskTaskRunner

            from tasks.cluster import check_workers

            assert isinstance(runner, DaskTaskRunner)
            check_workers(runner)
        futures: list[PrefectFuture] = []
        for call in calls:
            with tags(*tag(call)), _naming_a_killed_process():
                futures.append(runner.submit(task, parameters=call))
        yield from track(_results(futures, failures), title, total=len(futures))
    if failures:
        done = len(calls) - len(failures)
        failures[0].add_note(f"{DONE}{title}, {done} of {len(calls)}; this failed first")
        raise failures[0]


def _results(futures: list[PrefectFuture], failures: list[BaseException]) -> Iterator[Any]:
    """Yield what the tasks return, in the order in which they end; what ended others goes to ``failures``."""
    for outcome in map(_outcome, as_completed(futures)):
        if isinstance(outcome, BaseException):
            failures.append(outcome)
        else:
            yield outcome


@contextmanager
def _not_waiting() -> Iterator[None]:
    """Ctrl-C ends what the processes are at: without them the runner has nothing to wait for."""
    try:
        yield
    except KeyboardInterrupt:
        for process in multiprocessing.active_children():
            process.kill()
        raise


@contextmanager
def _naming_a_killed_process() -> Iterator[None]:
    """A pool of which a process was killed does no more work: that is a line and no traceback."""
    try:
        yield
    except BrokenExecutor as broken:
        raise LostWorkerError(ENDED_OUTSIDE) from broken


def _outcome(future: PrefectFuture) -> Any:
    """What a task returned, or the exception that ended it or its worker."""
    try:
        with _naming_a_killed_process():
            return future.result(raise_on_failure=False)
    except Exception as failure:
        return failure
