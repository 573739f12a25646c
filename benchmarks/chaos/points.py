"""Points at which a run can be killed: the n-th rename, fsync, shard, epoch, fold or call to a server.

Everything is installed in the forked child, by patching the functions that the program calls; the program
itself knows nothing of it. The pool processes of a run are forks of that child, so that they have the points
too, and count in the same file.
"""

# Patched functions of os are called with what os takes, and may follow no link.
# ruff: noqa: PTH100, PTH109, PTH113, PTH114, PTH115, PTH118
import functools
import importlib
import json
import os
import signal
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# kind -> module, class (or None) and the functions that are its points.
NAMED = {
    "shard": (("mfer_core.cache.shards", "ShardFolder", ("fill",)),),
    "epoch": (("mfer_core.training.loop", None, ("_save_checkpoint",)),),
    "fold": (("mfer_core.training.stages", None, ("train_fold",)),),
    "mlflow": (
        (
            "mlflow",
            "MlflowClient",
            (
                *(
                    "create_experiment",
                    "create_run",
                    "log_batch",
                    "log_inputs",
                    "log_figure",
                    "log_artifacts",
                ),
                *("set_terminated", "delete_run", "update_model_version", "set_registered_model_alias"),
            ),
        ),
        ("mlflow.pyfunc", None, ("log_model",)),
        ("mlflow", None, ("register_model", "log_metric")),
    ),
    "prefect": (("httpx", "Client", ("send",)), ("httpx", "AsyncClient", ("send",))),
}
FILES = ("rename", "fsync", "unlink", "mkdir")
KINDS = (*FILES, *NAMED)
ANY = "any"  # every point of a file


@dataclass(frozen=True)
class Kill:
    """Kill the run, or let the call fail with the system's ``error``, before or after a point.

    It is the ``number``-th of its kind; ``ANY`` counts all points of files.
    """

    kind: str
    number: int
    after: bool
    error: int = 0  # such as errno.ENOSPC; 0 kills


class Points:
    """What the processes of one run did so far, in a file of a line per point, and when they are killed.

    ``folder`` takes the files "points.jsonl", "count" and what was overwritten or removed below ``root``,
    from which a loss of power is made (benchmarks/chaos/power.py).
    """

    def __init__(self, folder: Path, root: Path, kill: Kill | None):
        self._folder, self._root, self._kill, self._main = folder, str(root), kill, os.getpid()
        self._unlink, self._link = os.unlink, os.link

    def install(self, named: Mapping = NAMED) -> None:
        """Patch the functions of this process, and with them those of its forks: files' and ``named``."""
        for name in ("replace", "rename"):
            setattr(os, name, self._wrapped("rename", getattr(os, name), self._renamed))
        for name in ("unlink", "remove"):
            setattr(os, name, self._wrapped("unlink", getattr(os, name), self._unlinked))
        os.fsync = self._wrapped("fsync", os.fsync, self._synced)
        os.mkdir = self._wrapped("mkdir", os.mkdir, self._made)
        for kind, places in named.items():
            for module, owner, names in places:
                found = importlib.import_module(module)
                holder = getattr(found, owner) if owner else found
                for name in names:
                    function = getattr(holder, name)
                    wrap = self._awaited if name == "send" and owner == "AsyncClient" else self._wrapped
                    setattr(holder, name, wrap(kind, function))

    def _wrapped(self, kind: str, function: Callable, facts: Callable | None = None) -> Callable:
        @functools.wraps(function)
        def called(*arguments: Any, **options: Any) -> Any:
            if facts is None:
                self._reach(kind, after=False)
                result = function(*arguments, **options)
                self._note([kind])
                self._reach(kind, after=True)
                return result
            record = facts(*arguments, **options)
            if record is None:  # A file of somebody else: Prefect's, MLflow's, one below /tmp.
                return function(*arguments, **options)
            self._reach(kind, after=False)
            result = function(*arguments, **options)
            self._note([kind, *(record() if callable(record) else record)])
            self._reach(kind, after=True)
            return result

        return called

    def _awaited(self, kind: str, function: Callable) -> Callable:
        @functools.wraps(function)
        async def called(*arguments: Any, **options: Any) -> Any:
            self._reach(kind, after=False)
            result = await function(*arguments, **options)
            self._note([kind])
            self._reach(kind, after=True)
            return result

        return called

    def _reach(self, kind: str, after: bool) -> None:
        kill = self._kill
        if kill is None or kill.after != after or kind not in (FILES if kill.kind == ANY else (kill.kind,)):
            return
        counter = os.open(self._folder / "count", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
        os.write(counter, b".")  # Every process appends, so that the position after it is the number.
        number = os.lseek(counter, 0, os.SEEK_CUR)
        os.close(counter)
        if number == kill.number and kill.error:
            raise OSError(kill.error, os.strerror(kill.error))
        if number == kill.number:
            os.kill(self._main, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

    def _note(self, record: list) -> None:
        file = os.open(self._folder / "points.jsonl", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
        os.write(file, json.dumps(record).encode() + b"\n")
        os.close(file)

    def _ours(self, path: str) -> bool:
        return path.startswith(f"{self._root}/")

    def _renamed(self, source: Any, target: Any, **_: Any) -> list | None:
        source, target = (os.path.abspath(os.fspath(path)) for path in (source, target))
        return [source, target, self._saved(target)] if self._ours(target) else None

    def _unlinked(self, path: Any, *, dir_fd: int | None = None) -> list | None:
        folder = os.readlink(f"/proc/self/fd/{dir_fd}") if dir_fd is not None else os.getcwd()
        path = os.path.normpath(os.path.join(folder, os.fspath(path)))
        return [path, self._saved(path)] if self._ours(path) and os.path.lexists(path) else None

    def _made(self, path: Any, *_: Any, **__: Any) -> list | None:
        path = os.path.abspath(os.fspath(path))
        return [path] if self._ours(path) and not os.path.lexists(path) else None

    def _synced(self, file: Any) -> Callable[[], list] | None:
        number = file if isinstance(file, int) else file.fileno()
        path = os.readlink(f"/proc/self/fd/{number}")
        if not (self._ours(path) or path == self._root):
            return None

        def record() -> list:
            facts = os.fstat(number)
            return [path, stat.S_ISDIR(facts.st_mode), [facts.st_ino, facts.st_size, facts.st_mtime_ns]]

        return record

    def _saved(self, path: str) -> str | None:
        """A second name for the file that is about to lose this one."""
        if not os.path.isfile(path) or os.path.islink(path):
            return None
        saved = self._folder / f"saved-{os.getpid()}-{os.urandom(6).hex()}"
        self._link(path, saved)
        return str(saved)
