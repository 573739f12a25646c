"""What a way of doing something costs: seconds by the clock and by the processors, and memory, in processes
of its own.
"""

import multiprocessing
import resource
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

# Seconds between two samples: one of processes that share much memory costs tens of milliseconds.
SAMPLE_S = 1.0
SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Cost:
    """What a way costs per clip, seconds, and the most memory it held, MiB."""

    name: str
    wall_s: float
    cpu_s: float
    memory_mib: float


def measure(name: str, way: Callable[[list[Path]], None], clips: list[Path], repeat: int) -> Cost:
    """Run ``way`` afresh, ``repeat`` times; the fastest counts."""
    costs = []
    for _ in range(repeat):
        with ProcessPoolExecutor(1, mp_context=SPAWN) as pool:
            costs.append(pool.submit(_timed, name, way, clips).result())
    return min(costs, key=lambda cost: cost.wall_s)


def _timed(name: str, way: Callable[[list[Path]], None], clips: list[Path]) -> Cost:
    way(clips[:1])
    with PeakMemory() as memory:
        start, cpu = time.perf_counter(), cpu_s()
        way(clips)
        wall, cpu = time.perf_counter() - start, cpu_s() - cpu
    return Cost(name, wall / len(clips), (cpu - memory.cpu_s) / len(clips), memory.mib)


def cpu_s() -> float:
    """Seconds of the processors that this process and its children, living and ended, have used."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    alive = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # One may end while it is looked at.
            alive += sum(process.cpu_times()[:4])
    return time.process_time() + ended.ru_utime + ended.ru_stime + alive


@dataclass(frozen=True)
class Memory:
    """What some processes occupy, MiB; a page that several of them share counts once."""

    held: float = 0.0  # Anonymous and shared memory: what they cannot do without.
    mapped: float = 0.0  # Pages of files, libraries' among them: the kernel takes them back and reads again.

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(self.held + other.held, self.mapped + other.mapped)

    def at_least(self, other: "Memory") -> "Memory":
        return Memory(max(self.held, other.held), max(self.mapped, other.mapped))


class PeakMemory(threading.Thread):
    """Looks every second at what a process (this one, where none is named) and its children occupy. Each peak
    is one's own, wherever the others have theirs.
    """

    def __init__(self, process: psutil.Process | None = None) -> None:
        super().__init__(daemon=True)
        self._process = process or psutil.Process()
        self.mib = 0.0  # all pages, of files too
        self.alone = self.children = self.together = Memory()
        self.cpu_s, self._ended = 0.0, threading.Event()

    def __enter__(self) -> "PeakMemory":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        family: list[psutil.Process] = []
        while not self._ended.wait(SAMPLE_S):
            alone = memory_of(self._process)
            with suppress(psutil.NoSuchProcess):
                family = self._process.children(recursive=True)
            children = sum(map(memory_of, family), Memory())
            together = alone + children
            self.alone, self.children = self.alone.at_least(alone), self.children.at_least(children)
            self.together = self.together.at_least(together)
            self.mib = max(self.mib, together.held + together.mapped)
        self.cpu_s = time.thread_time()


def memory_of(process: psutil.Process) -> Memory:
    """A process's share, as the kernel counts it (proc(5): smaps_rollup)."""
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError):  # The process ended since it was listed.
        return Memory()
    kib = {name: int(size.split()[0]) for name, size in (line.split(":") for line in lines)}
    return Memory((kib["Pss_Anon"] + kib["Pss_Shmem"]) / 1024, kib["Pss_File"] / 1024)
