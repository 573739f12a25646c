"""A fork server: the stages of one run start in processes that have the third-party libraries loaded already.

Prefect, torch, transformers and MLflow take a stage up to eight seconds of a core before its work starts. The
server imports them once, and ``python -m flows STAGE`` below `dvc` asks it for a fork in which the stage
then runs: with the arguments, environment, standard streams and import path of who asked, and with this
project's code as it lies in the folder at that moment, because the server keeps none of it. Where no server
answers, the stage runs in the process that was started.

It is multiprocessing's fork server for processes that are not its children: that one knows no way in.
"""

import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from multiprocessing import forkserver, resource_tracker, util
from pathlib import Path
from typing import NoReturn

from flows.fork_client import Job
from mfer_core.base.workers import start_fork_server
from tasks.processes import ASKER_VARIABLE, living

PROJECT = ("flows", "tasks", "mfer_core", "demo")
POLL_S = 1.0
# In the order in which a run needs them. `prefect.main` sets up the log for the process that imports it.
EVERY_STAGE = (
    *("prefect.flows", "prefect.artifacts", "prefect.cache_policies", "prefect.task_runners"),
    *("pandas", "pyarrow.parquet", "pyarrow.dataset", "rich.progress", "ruamel.yaml", "typer", "httpx"),
)
# Seconds of a core, which are spent once a stage has asked for a fork: not every run has one that does.
SOME_STAGES = (
    *("av", "scipy.stats", "scipy.signal", "sklearn.model_selection", "sklearn.linear_model", "sklearn.svm"),
    *("torch", "torchaudio", "torchvision.transforms.v2", "transformers.models.vit.modeling_vit"),
    *("safetensors.torch", "mlflow", "sqlalchemy.dialects.sqlite", "matplotlib.figure", "silero_vad"),
)


class ForkServer:
    """Answers on ``path`` while processes of this folder have their mark."""

    def __init__(self, path: Path):
        path.unlink(missing_ok=True)  # Nobody answers there: see `ensure_fork_server`.
        self._path, self._forks = path, dict[int, socket.socket]()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen(64)
        self._ended, ended = os.pipe()
        os.set_blocking(self._ended, False)
        os.set_blocking(ended, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(ended, warn_on_full_buffer=False)

    def serve(self) -> Job | None:
        """Import the libraries one by one and answer in between.

        Returns None at the run's end, and in a fork its job.
        """
        missing, later = [*EVERY_STAGE], [*SOME_STAGES]
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._ended, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select(0 if missing else POLL_S)]
                if self._ended in ready:
                    os.read(self._ended, 4096)
                    self._report_ends()
                if self._listener in ready and (job := self._fork()):
                    return job
                if self._forks:
                    missing, later = missing + later, []
                if missing:
                    importlib.import_module(missing.pop(0))
                    gc.freeze()  # Garbage collection in a fork then leaves the shared memory alone.
                elif not (ready or self._forks or living()):
                    self._path.unlink(missing_ok=True)
                    return None

    def _fork(self) -> Job | None:
        """Fork for who asks; returns the job in the fork and None in the server."""
        asker, _ = self._listener.accept()
        _, streams, _, _ = socket.recv_fds(asker, 1, 3)
        if not streams:  # Somebody only looked whether there is a server.
            asker.close()
            return None
        job = Job(**json.loads(asker.makefile().readline()))
        if fork := os.fork():
            for stream in streams:
                os.close(stream)
            with suppress(OSError):  # It was started in another terminal, or has ended meanwhile.
                os.setpgid(fork, os.getpgid(int(job.environment[ASKER_VARIABLE])))
            self._forks[fork] = asker
            asker.sendall(f"{fork}\n".encode())
            return None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for stream, number in zip(streams, (0, 1, 2), strict=True):
            os.dup2(stream, number)
            os.close(stream)
        for connection in (self._listener, asker, *self._forks.values()):
            connection.close()
        return job

    def _report_ends(self) -> None:
        while self._forks:
            fork, status = os.waitpid(-1, os.WNOHANG)
            if not fork:
                return
            code = os.waitstatus_to_exitcode(status)
            with self._forks.pop(fork) as asker, suppress(BrokenPipeError):
                asker.sendall(f"{code if code >= 0 else 128 - code}\n".encode())


def run(job: Job) -> NoReturn:
    """Become the process that ``python -m flows`` would be."""
    for name in [name for name in sys.modules if name.split(".")[0] in PROJECT]:
        del sys.modules[name]
    os.environ.clear()
    os.environ.update(job.environment)
    sys.path[:] = job.path
    sys.argv[:] = ["flows", *job.arguments]
    _open_streams()
    _share_with_workers()
    importlib.invalidate_caches()
    from mfer_core.base.parent_watchdog import follow

    follow(int(os.environ[ASKER_VARIABLE]))
    runpy.run_module("flows", run_name="__main__", alter_sys=True)
    sys.exit()


def _open_streams() -> None:
    """The standard streams anew: Python's own ones still take themselves for the server's log."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        pythons = getattr(sys, name)
        by_line = 1 if name == "stderr" or os.isatty(number) else -1
        opened = open(number, mode, by_line, pythons.encoding, pythons.errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, opened)


def _share_with_workers() -> None:
    """Make multiprocessing's fork server of this stage another fork, so that its workers have the libraries.

    Otherwise it starts a bare Python, and each stage with workers imports the libraries once more.
    """
    resource_tracker.ensure_running()  # in a process of its own, as usual
    start = util.spawnv_passfds
    util.spawnv_passfds = _fork_to_run  # type: ignore[assignment]
    try:
        start_fork_server()
    finally:
        util.spawnv_passfds = start


def _fork_to_run(_executable: bytes, arguments: Sequence[str], descriptors: Sequence[int]) -> int:
    """Run ``-c CODE`` with these file ``descriptors`` alone; returns the process's number."""
    if fork := os.fork():
        return fork
    for lower, upper in pairwise(sorted({2, *descriptors, os.sysconf("SC_OPEN_MAX")})):
        os.closerange(lower + 1, upper)
    forkserver._forkserver._lock = threading.Lock()  # type: ignore[attr-defined]  # held during the fork
    try:
        exec(arguments[-1], {"__name__": "__main__"})
    except SystemExit:  # so it ends when the stage is gone
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    os._exit(1)


if __name__ == "__main__":
    if work := ForkServer(Path(sys.argv[1])).serve():
        run(work)
