"""A reader that looks at a run's results all the time: every file that it can see must be whole.

A file's bytes are read through one handle, so that a file which is replaced meanwhile is the old one or the
new one, and never in between.
"""

import io
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from safetensors.torch import load

POLL_S = 0.004
SHARE = 9  # It rests this many times as long as it looked, so that it takes a tenth of a core at most.


def _ends_with_its_line(content: bytes) -> None:
    if not content.endswith(b"\n"):
        raise ValueError("the last line has no end")


PARSERS: dict[str, Callable[[bytes], object]] = {
    ".parquet": lambda content: pq.read_table(io.BytesIO(content)),
    ".arrow": lambda content: pa.ipc.open_file(io.BytesIO(content)).read_all(),
    ".json": json.loads,
    ".safetensors": load,
    ".csv": _ends_with_its_line,
    ".md": _ends_with_its_line,
    ".png": lambda content: Image.open(io.BytesIO(content)).load(),
}


def faults(folders: list[Path], seen: dict[Path, tuple]) -> Iterator[str]:
    """What is wrong with each file that is new or changed since it was last ``seen``."""
    for folder in folders:
        # This walk passes over folders that are removed meanwhile, where Path.rglob fails.
        for path in (Path(parent) / name for parent, _, names in os.walk(folder) for name in names):
            parse = PARSERS.get(path.suffix)
            if parse is None or any(part.startswith(".") for part in path.relative_to(folder).parts):
                continue  # What is being written has a hidden name, or lies in a folder of one.
            with suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
                with path.open("rb") as file:
                    facts = os.fstat(file.fileno())
                    now = facts.st_ino, facts.st_size, facts.st_mtime_ns
                    if seen.get(path) == now:
                        continue
                    content = file.read()
                seen[path] = now
                try:
                    parse(content)
                except Exception as error:  # whatever a parser raises for half a file
                    yield f"{path}: {len(content)} bytes, {type(error).__name__}: {str(error)[:100]}"


@contextmanager
def reading(folders: list[Path], report: Path) -> Iterator[None]:
    """A process that reads until the block ends, and writes a line into ``report`` for every fault."""
    report.unlink(missing_ok=True)
    reader = os.fork()
    if not reader:
        _read_for_ever(folders, report)
    try:
        yield
    finally:
        os.kill(reader, signal.SIGKILL)
        os.waitpid(reader, 0)


def _read_for_ever(folders: list[Path], report: Path) -> None:
    parent, seen = os.getppid(), dict[Path, tuple]()
    status = 1
    try:
        while os.getppid() == parent:
            began = time.monotonic()
            for fault in faults(folders, seen):
                with report.open("a") as file:
                    file.write(f"{fault}\n")
            time.sleep(max(POLL_S, SHARE * (time.monotonic() - began)))
        status = 0
    finally:
        os._exit(status)
