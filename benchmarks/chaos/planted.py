"""Bugs that are planted to see whether the trials find them: each patches the program in the forked child.

The program's modules are changed in memory only, in the process that is killed and in the one that goes on.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Patch = Callable[[], None]


def _no_fsync() -> None:
    from mfer_core.base import files

    files._sync = lambda path: None  # type: ignore[assignment]


def _renamed_before_its_content() -> None:
    """A file gets its name first and its content afterwards, as where somebody opens the final path."""
    from mfer_core.base import files

    @contextmanager
    def open_path(path: Path) -> Iterator[Path]:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        yield Path(path)
        files._sync(Path(path))

    _everywhere("atomic_path", files.atomic_path, open_path)


def _hash_ignored() -> None:
    """A prediction is taken over by its name, whatever the recording holds now."""
    from mfer_core.prediction.results_folder import ResultsFolder

    def holds(self: ResultsFolder, path: Path, key: str, kinds: tuple[str, ...]) -> bool:
        return self.file("done", path).is_file()

    ResultsFolder.holds = holds  # type: ignore[method-assign]


def _done_too_early() -> None:
    """A fold is marked as done before its predictions are written."""
    from mfer_core.training import results

    write_history = results.write_history

    def mark_first(folder: Path, history: list[dict]) -> None:
        write_history(folder, history)
        marker = {"key": _key_of_run(), "model": {}, "labels": []}
        results.write_json(Path(folder) / results.CONFIG, marker)

    results.write_history = mark_first  # type: ignore[assignment]


def _key_of_run() -> str:
    """The key of the run that ``finish`` is at, taken from the frame that called."""
    import inspect

    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == "finish":
            return frame.f_locals["run"].key
        frame = frame.f_back
    raise LookupError("no function `finish` of training/results.py is at work")


def _stale_key_accepted() -> None:
    """A shard counts as done when its file is there, whatever settings its rows were made with."""
    from mfer_core.cache.shards import ShardFolder

    ShardFolder.holds = lambda self, shard: self.path(shard).exists()  # type: ignore[method-assign]


def _checkpoint_not_read() -> None:
    """A training that goes on forgets the optimiser's state, and so ends with other weights."""
    from mfer_core.training import loop

    loop._restore_optimiser = lambda optimiser, tensors, groups: None  # type: ignore[assignment]


def _everywhere(name: str, function: object, other: object) -> None:
    """Replace a function in every module of the program that imported it."""
    import sys

    for module in [*sys.modules.values()]:
        if getattr(module, name, None) is function:
            setattr(module, name, other)


# name -> what plants it, the unit in which it does harm, and which trials show it
PLANTS: dict[str, tuple[Patch, str, str]] = {
    "no fsync": (_no_fsync, "train_visual", "power"),
    "named before its content is written": (_renamed_before_its_content, "extract", "random"),
    "content hash ignored": (_hash_ignored, "predict", "stale"),
    "fold marked as done too early": (_done_too_early, "train_visual", "rename"),
    "stale key accepted": (_stale_key_accepted, "embed", "stale"),
    "optimiser's state not restored": (_checkpoint_not_read, "pretrain_audio", "epoch"),
}
