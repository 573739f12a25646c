"""Clips extracted in a process of their own, so that one that hangs or crashes in C code costs itself and nothing else.

The processes are forked from one that has imported what they need (multiprocessing's fork server): they share its memory,
start in milliseconds, and give back all they held when their shard ends.
"""

import multiprocessing
import signal
import traceback
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from mfer_core.base.errors import ClipError, MferError
from mfer_core.base.settings import Extract
from mfer_core.media.result import ExtractedClip

GRACE_S = 10.0  # beyond clip_time_limit_s, within which the extraction itself gives up and says where
CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}


class ClipProcess:
    """Extracts clips one after the other in another process. Use as a context manager, from one thread.

    Raises MferError where it may start no process.
    """

    def __init__(self, settings: Extract, threads: int):
        if multiprocessing.current_process().daemon:
            raise MferError(
                "a daemonic process may start no other: start Dask's workers with DASK_DISTRIBUTED__WORKER__DAEMON=False"
            )
        self._settings, self._threads = settings, threads
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["mfer_core.media.clip"])
        self.process: ForkServerProcess | None = None

    def __enter__(self) -> "ClipProcess":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process:
            self._end()

    def extract(self, path: Path) -> ExtractedClip:
        """What ``clip.extract_clip`` gives or raises, and ClipError ("time limit", "crash") where it never came back.

        Raises MferError when somebody else ended the process (the kernel, for want of memory): that says nothing of the clip.
        """
        if not self.process:
            self._start()
        try:
            self._connection.send((path, self._settings.clip_time_limit_s + GRACE_S))
            reply = self._connection.recv()
        except (EOFError, ConnectionError):
            raise self._fault(path) from None
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def _start(self) -> None:
        self._connection, theirs = self._context.Pipe()
        self.process = self._context.Process(target=_serve, args=(theirs, self._settings, self._threads))
        self.process.start()
        theirs.close()

    def _end(self) -> int:
        """Let the process go; returns its exit status."""
        self._connection.close()
        self.process.join()
        status = self.process.exitcode
        self.process = None
        return status

    def _fault(self, path: Path) -> MferError:
        """Why the process is gone."""
        status = self._end()
        if -status == signal.SIGALRM:
            return ClipError(
                "time limit", f"hung beyond clip_time_limit_s = {self._settings.clip_time_limit_s:g}"
            )
        if -status in CRASHES:
            return ClipError("crash", f"the decoder died of {signal.Signals(-status).name}")
        return MferError(
            f"the process that extracted {path} was ended (exit status {status}): is there memory enough? Run it again"
        )


def _serve(connection: Connection, settings: Extract, threads: int) -> None:
    """Answer until the other end is closed, which is also what happens when its process is gone."""
    import cv2
    import torch

    from mfer_core.media.clip import extract_clip

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    while True:
        try:
            path, limit_s = connection.recv()
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_REAL, limit_s)  # the kernel ends this process, whatever code it is in
        try:
            reply = extract_clip(path, settings, threads)
        except Exception as error:
            error.add_note(traceback.format_exc())
            reply = error
        signal.setitimer(signal.ITIMER_REAL, 0)
        connection.send(reply)
