"""Functions run in processes of their own: a file that hangs, crashes in C code or eats memory costs itself
only.

The processes are forked from one that has imported what they need (multiprocessing's fork server): they share
its memory and start in milliseconds. They end with the process that made them, also when that is killed. What
they may do beyond reading is taken from them (sandbox.py).
"""

import atexit
import multiprocessing
import os
import re
import resource
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, TypeVar

import psutil
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from mfer_core.base.errors import ClipError, MferError
from mfer_core.base.parent_watchdog import work_for
from mfer_core.base.sandbox import restrict
from mfer_core.base.scratch import ScratchFolder

Item = TypeVar("Item")
Result = TypeVar("Result")
MEMORY_GIB = 4.0  # A process may take this much beyond what it starts with; a clip takes a tenth of it.
# A call may last this long beyond clip_time_limit_s, so that extraction first gives up by itself and says
# where.
GRACE_S = 10.0
ORPHANED_S = 1.0  # The kernel ends a call this long after its limit if the parent has not ended it.
AHEAD = 4  # So many calls per process wait for a free process.
CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
# How libraries in C say that they got no memory; Python's own MemoryError says nothing.
_NO_MEMORY = re.compile("alloc|memory", re.IGNORECASE)


class LostWorkerError(MferError):
    """Somebody else (the kernel, for want of memory) ended a process, which says nothing of the file that it
    was processing.
    """


def fork_server(*preload: str) -> ForkServerContext:
    """multiprocessing's fork server, which has imported the modules ``preload``."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*preload])
    start_fork_server()
    return context


def start_fork_server() -> None:
    """Start multiprocessing's fork server, unless it is there, so that neither it nor its processes get a
    terminal's Ctrl-C.

    The process that made them ends them. A process that gets it in its start, before it could ignore it,
    prints a traceback.
    """
    resource_tracker.ensure_running()  # Its own start unblocks the signal in this thread.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with _same_import_path():
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _same_import_path() -> Iterator[None]:
    """A Python that is started meanwhile imports from where this one does, and not from the working folder,
    which may be a checkout of another version.
    """
    paths = [str(Path(__file__).parents[2]), *filter(None, sys.path)]  # "" is the working folder
    variables = {"PYTHONPATH": os.pathsep.join(paths)}
    variables["PYTHONSAFEPATH"] = "1"
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class Workers:
    """Processes that run functions. Use as a context manager. Functions, arguments and results are pickled.
    They may write below ``folder`` alone, which is gone with them.

    ``preload`` names the module that the fork server imports, ``setup`` is called with ``arguments`` in each
    process. Raises MferError where no process may be started.
    """

    def __init__(
        self, count: int, preload: str, setup: Callable[..., None] | None = None, arguments: tuple = ()
    ):
        if multiprocessing.current_process().daemon:
            raise MferError(
                "a daemonic process may start no other: "
                "start Dask's workers with DASK_DISTRIBUTED__WORKER__DAEMON=False"
            )
        self._count = count
        self._folder = ScratchFolder()
        self.folder = Path(self._folder.name)
        initial = (os.getpid(), self.folder, setup, arguments)
        context = fork_server(preload)
        self._pool = ProcessPool(count, initializer=_prepare, initargs=initial, context=context)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is None:
            # A process that is still starting may finish: stopped in its start it prints a traceback.
            self._pool.close()
            self._pool.join()
            self._folder.cleanup()
        else:
            self.stop()

    def stop(self) -> None:
        """End the processes at once, whatever they are doing."""
        self._pool.stop()
        self._pool.join()
        self._folder.cleanup()

    def call(self, function: Callable[..., Result], *arguments: Any, limit_s: float) -> Result:
        """Run ``function`` in a process; return its result or raise its exception.

        Raises ClipError ("time limit", "crash", "too large") where the call never returned, LostWorkerError
        where somebody else ended the process.
        """
        return _outcome(self._schedule(function, arguments, limit_s), limit_s)

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], limit_s: float
    ) -> Iterator[Result | ClipError]:
        """Yield the result of ``call``, or the ClipError that it raises, for each item in order; items run in
        parallel.
        """
        waiting: deque[ProcessFuture] = deque()
        for item in items:
            waiting.append(self._schedule(function, (item,), limit_s))
            if len(waiting) >= AHEAD * self._count:
                yield _result(waiting.popleft(), limit_s)
        while waiting:
            yield _result(waiting.popleft(), limit_s)

    def _schedule(self, function: Callable, arguments: tuple, limit_s: float) -> ProcessFuture:
        return self._pool.schedule(_run, (limit_s, function, *arguments), timeout=limit_s)


def shared_workers(count: int, preload: str) -> Workers:
    """Processes that live as long as this one: for whoever has a few files at a time, again and again."""
    return _shared_workers(os.getpid(), count, preload)


@cache
def _shared_workers(process: int, count: int, preload: str) -> Workers:
    workers = Workers(count, preload)
    atexit.register(workers.stop)
    return workers


def _result(future: ProcessFuture, limit_s: float) -> Any:
    try:
        return _outcome(future, limit_s)
    except ClipError as error:
        return error


def _outcome(future: ProcessFuture, limit_s: float) -> Any:
    try:
        return future.result()
    except TimeoutError:
        raise ClipError("time limit", f"hung beyond {limit_s:g} s") from None
    except MemoryError:
        raise ClipError("too large", f"it takes more than {MEMORY_GIB:g} GiB of memory") from None
    except ProcessExpired as error:
        number = -error.exitcode
        if number == signal.SIGALRM:
            raise ClipError("time limit", f"hung beyond {limit_s:g} s") from None
        if number in CRASHES:
            raise ClipError("crash", f"the process died of {signal.Signals(number).name}") from None
        raise _lost(f"exit status {error.exitcode}") from None
    except BrokenProcessPool:
        raise _lost("in its start") from None


def _lost(when: str) -> LostWorkerError:
    return LostWorkerError(f"a process was ended from outside ({when}): is there memory enough? Run it again")


def _prepare(parent: int, folder: Path, setup: Callable[..., None] | None, arguments: tuple) -> None:
    restrict([folder])  # first, as long as there is one thread
    work_for(parent)
    # Only Linux counts private memory and enforces the limit.
    private = getattr(psutil.Process().memory_info(), "data", 0)
    limit = private + int(MEMORY_GIB * 2**30)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or limit <= hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    if setup:
        setup(*arguments)


def _run(limit_s: float, function: Callable[..., Result], *arguments: Any) -> Result:
    # Code in C that keeps Python's lock keeps the thread from running that sees whether the parent is gone.
    signal.setitimer(signal.ITIMER_REAL, limit_s + ORPHANED_S)
    try:
        return function(*arguments)
    except MferError:
        raise
    except Exception as error:
        if _NO_MEMORY.search(f"{type(error).__name__} {error}"):
            raise MemoryError(str(error)) from None
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
