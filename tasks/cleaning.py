"""What can go without harm to a present result: what no setting uses any more, and what killed runs left."""

import logging
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dvc.repo import Repo
from dvc.scm import NoSCM

from mfer_core.base.errors import MferError
from mfer_core.base.modalities import MODALITIES
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.training.stages import STAGES, folds_to_train
from tasks.processes import describe, living

LEFT_OVER = re.compile(r"\.[0-9a-f]{12}\.tmp(\..+)?")  # atomic_path's and atomic_folder's temporary names
DVC_GC = "dvc_data.hashfile.gc"  # The logger of the module in which DVC says what it would remove.


@dataclass(frozen=True)
class Removable:
    """Something that can go: what it is, how many bytes that frees, and the function that removes it."""

    what: str
    size: int  # bytes
    remove: Callable[[], object]


def check_idle() -> None:
    """Raise MferError where a run works in this folder: what it writes may not be recorded yet."""
    if working := sorted(living(), key=lambda process: process.pid):
        raise MferError(f"{describe(working[0])} works in this folder: clean once it has ended")


def removables(data: DataPaths, settings: Settings) -> Iterator[Removable]:
    """Everything below ``data`` and in DVC's cache that can go."""
    for path in sorted(data.root.rglob(".*")):
        if LEFT_OVER.fullmatch(path.name):
            yield _of_path(path, "a killed run left it")
    for path in unused_folders(data, settings):
        yield _of_path(path, "nothing in params.yaml asks for it")
    if cached := unused_objects():
        files = f"objects of DVC's cache to which no file, tag, branch or experiment refers: {len(cached)}"
        yield Removable(files, sum(map(size, cached)), lambda: _collect(dry=False))


def _of_path(path: Path, why: str) -> Removable:
    def remove() -> None:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    return Removable(f"{path}: {why}", size(path), remove)


def size(path: Path) -> int:
    """The bytes of a file, or of all files of a folder; links count as nothing."""
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file() and not file.is_symlink())


def unused_folders(data: DataPaths, settings: Settings) -> list[Path]:
    """The folders of corpora, protocols, seeds and folds that the settings do not name, in order."""
    corpora = {"ingest": settings.corpora, "extract": settings.media_corpora}
    corpora |= {f"embed/{modality}": settings.media_corpora for modality in MODALITIES}
    unused = [
        folder
        for stage, names in corpora.items()
        for folder in (data.root / stage).glob("*")
        if folder.is_dir() and folder.name not in names and not folder.name.startswith(".")
    ]
    if data.folds.exists():
        for stage in STAGES:
            expected = {data.fold(stage, *name) for name in folds_to_train(stage, data.root, settings)}
            unused += [folder for folder in data.trained_folds(stage) if folder not in expected]
    return sorted(unused)


def unused_objects() -> list[Path]:
    """The files of DVC's cache that nothing refers to: not dvc.lock, nor a branch, tag or experiment."""
    with _said_by_dvc() as said:
        _collect(dry=True)
    return [Path(path) for path in said]


def _collect(dry: bool) -> None:
    """DVC's garbage collection. Where there is no git there is nothing but the workspace."""
    logging.getLogger("dvc.repo.gc").setLevel(logging.WARNING)  # It counts objects cache by cache.
    # It warns of each output of a commit without dvc.lock, as that which was cloned is.
    logging.getLogger("dvc.output").setLevel(logging.ERROR)
    with Repo() as repo:
        history = not isinstance(repo.scm, NoSCM)
        kept = dict.fromkeys(("all_branches", "all_tags", "all_experiments"), history)
        repo.gc(workspace=True, dry=dry, force=True, **kept)


@contextmanager
def _said_by_dvc() -> Iterator[list[str]]:
    """The paths that DVC's garbage collection names while the block runs."""
    paths: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.msg == "Removing %s" and record.args:
                paths.append(str(record.args[0] if isinstance(record.args, tuple) else record.args))

    logger, listener = logging.getLogger(DVC_GC), Listener()
    level, propagates = logger.level, logger.propagate
    logger.addHandler(listener)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield paths
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
        logger.propagate = propagates
