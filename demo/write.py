"""Write a synthetic corpus in the real one's layout, or bring one up to date."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from demo.layout import FaceTable, File, Text, file_key, files
from demo.plans import PlannedClip
from mfer_core.base import parent_watchdog
from mfer_core.base.errors import MferError
from mfer_core.base.files import atomic_path, read_json, remove, write_json
from mfer_core.base.progress import track
from mfer_core.base.settings import DemoSize
from mfer_core.base.workers import fork_server

# relative path -> key of what the file holds, if it is there; null while it is being cleared away
INDEX = ".demo.json"


def write_corpus(
    adapter: str, folder: Path, size: DemoSize, seed: int, workers: int, pictures: bool = False
) -> None:
    """Make ``folder`` hold the synthetic corpus of ``adapter``, CREMA-D with ``pictures`` or without: writes
    what differs, removes what no longer belongs.

    The same arguments give the same bytes on the same machine. Raises MferError for a folder that holds files
    which this function did not write, and for a size that the real corpus's names have no room for.
    """
    folder = Path(folder)
    wanted = {file.path: file for file in files(adapter, size, seed, pictures)}
    keys = {path: file_key(file, seed) for path, file in wanted.items()}
    held = read_json(folder / INDEX) if (folder / INDEX).exists() else {}
    _refuse_foreign(folder, held)
    stale = [path for path, key in keys.items() if held.get(path) != key or not (folder / path).exists()]
    gone = sorted(held.keys() - keys.keys())
    if not stale and not gone:
        return
    # Claim what is about to change, clear it away, and only then promise it: files are written atomically, so
    # after a killed run one that is there is whole and of its key, and the next run goes on with the missing
    # ones.
    write_json(folder / INDEX, {**keys, **dict.fromkeys([*stale, *gone])})
    _remove(folder, [*stale, *gone])
    write_json(folder / INDEX, keys)
    _write(folder, [wanted[path] for path in stale], seed, workers, f"demo {adapter}")


def _refuse_foreign(folder: Path, held: dict) -> None:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and relative not in held:
            raise MferError(
                f"{folder} holds {relative}, which the demo did not write: give the demo corpus another path"
            )


def _remove(folder: Path, paths: list[str]) -> None:
    remove(folder / path for path in paths)
    for path in paths:
        for parent in list((folder / path).relative_to(folder).parents)[:-1]:
            if (folder / parent).is_dir() and not any((folder / parent).iterdir()):
                (folder / parent).rmdir()


def _write(folder: Path, stale: list[File], seed: int, workers: int, title: str) -> None:
    for leftover in folder.rglob(".*.tmp*"):  # A killed run left this behind.
        leftover.unlink()
    for file in stale:
        if isinstance(file, Text):
            _write_text(folder / file.path, file.text)
        if isinstance(file, FaceTable):
            jobs = [partial(_face_lines, number, file.faces, seed) for number in range(file.identities)]
            _write_text(folder / file.path, "".join([_FACE_HEADER, *_run(jobs, workers, title)]))
    clips = [file for file in stale if isinstance(file, PlannedClip)]
    list(_run([partial(_write_clip, folder, clip, seed) for clip in clips], workers, title))


def _write_text(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


_FACE_HEADER = "emotion,pixels,Usage\n"


def _face_lines(number: int, count: int, seed: int) -> str:
    from demo.faces import csv_lines

    return csv_lines(number, count, seed)


def _write_clip(folder: Path, clip: PlannedClip, seed: int) -> None:
    from demo.clips import write_clip

    write_clip(folder, clip, seed)


def _run(jobs: list[partial], workers: int, title: str) -> Iterator:
    """The jobs' results in order, computed by ``workers`` processes that end with this one."""
    if min(workers, len(jobs)) <= 1:
        yield from track((job() for job in jobs), title, len(jobs))
        return
    with ProcessPoolExecutor(
        workers,
        fork_server("demo.clips", "demo.faces"),
        initializer=parent_watchdog.work_for,
        initargs=(os.getpid(),),
    ) as pool:
        yield from track(pool.map(_call, jobs, chunksize=2), title, len(jobs))


def _call(job: partial) -> object:
    return job()
