"""An input that is changed, and what becomes of it in a process of its own."""

import os
import resource
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mfer_core.base.errors import mendable, typed_line

LIMIT_S = 10
MEMORY = 2 << 30  # bytes beyond what the process has when it starts
WORDS = (
    *("", "null", "-1", "0", "1e999", "nan", "9" * 30, "true", "[]", "{}", '"', "'", "\\", "\x00", "\ufeff"),
    *(
        "../../outside",
        "/etc/passwd",
        "~",
        "=1+1",
        "%s%n",
        "!!python/object/apply:os.system",
        "&a *a",
        "\u202e",
        "[" * 3000,
    ),
)


@dataclass(frozen=True)
class Entrance:
    """A place where input comes in: a good one, the name of its file, and what reads it.

    Where ``inner`` is given, that part of the good input is changed, and ``wrap`` makes a whole file of it,
    so that lengths and sums which a reader checks first are right.
    """

    good: bytes
    name: str
    read: Callable[[Path], object]
    is_text: bool = False
    inner: bytes | None = None
    wrap: Callable[[bytes], bytes] = bytes


def mutated(entrance: Entrance, rng: np.random.Generator) -> bytes:
    """One to four changes to the good input."""
    data = bytearray(entrance.good if entrance.inner is None else entrance.inner)
    for _ in range(rng.integers(1, 5)):
        if not data:
            break
        start = int(rng.integers(len(data)))
        end = min(len(data), start + int(rng.integers(1, 33)))
        way = rng.integers(6 if entrance.is_text else 5)
        if way == 0:
            data[start] = rng.integers(256)
        elif way == 1:
            data[start] ^= 1 << rng.integers(8)
        elif way == 2:
            del data[start:end]
        elif way == 3:
            data[start:start] = data[start:end] * int(rng.integers(1, 5))
        elif way == 4:
            other = int(rng.integers(len(data)))
            data[start:end] = data[other : other + end - start]
        else:
            _replace_word(data, start, WORDS[rng.integers(len(WORDS))].encode())
    return entrance.wrap(bytes(data))


def _replace_word(data: bytearray, start: int, word: bytes) -> None:
    """Put ``word`` in place of what stands between two separators around ``start``."""
    separators = b" \n:,;\"'{}[]/-_"
    first = next((at for at in range(start, 0, -1) if data[at - 1] in separators), 0)
    last = next((at for at in range(start, len(data)) if data[at] in separators), len(data))
    data[first:last] = word


def outcome(entrance: Entrance, data: bytes, folder: Path) -> str:
    """ "read", "refused", or "FAULT: ..." for what is no answer, in this very process."""
    path = folder / "in" / entrance.name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    signal.alarm(LIMIT_S)  # ends the process: what hangs in C hears nothing else
    try:
        entrance.read(path)
        result = "read"
    except Exception as error:
        result = "refused" if mendable(error) else f"FAULT: {typed_line(error)}"
    finally:
        signal.alarm(0)
    outside = sorted(other.name for other in folder.iterdir() if other.name != "in")
    return f"FAULT: written outside: {outside}" if outside else result


def outcomes(entrance: Entrance, inputs: list[bytes]) -> Iterator[str]:
    """The outcomes of all inputs; a process that died answers for the input at which it did."""
    answers: list[str] = []
    while len(answers) < len(inputs):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            _answer(entrance, inputs[len(answers) :], writing)
        os.close(writing)
        with os.fdopen(reading) as lines:
            answers += [line.rstrip("\n") for line in lines]
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status:
            answers.append(f"FAULT: the process ended with status {status}")
    yield from answers


def limit_memory() -> None:
    """Let this process take ``MEMORY`` beyond what it has."""
    size = int(Path("/proc/self/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_DATA, (size + MEMORY, size + MEMORY))


def _answer(entrance: Entrance, inputs: list[bytes], writing: int) -> None:
    status = 1
    try:
        limit_memory()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with os.fdopen(writing, "w", buffering=1) as lines:
            for data in inputs:
                with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
                    line = outcome(entrance, data, Path(folder))
                lines.write(" ".join(line.split())[:300] + "\n")
        status = 0
    finally:
        os._exit(status)
