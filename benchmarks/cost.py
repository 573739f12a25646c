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
FIRST_SAMPLE_S, SAMPLE_S = 0.5, 3.0
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


class PeakMemory(threading.Thread):
    """Looks every few seconds at what this process and its children hold together; a page that they share
    counts once.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.mib, self.cpu_s, self._ended = 0.0, 0.0, threading.Event()

    def __enter__(self) -> "PeakMemory":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        pause = FIRST_SAMPLE_S
        while not self._ended.wait(pause):
            here, pause = psutil.Process(), SAMPLE_S
            self.mib = max(self.mib, sum(map(_held_mib, [here, *here.children(recursive=True)])))
        self.cpu_s = time.thread_time()


def _held_mib(process: psutil.Process) -> float:
    try:
        return process.memory_full_info().pss / 2**20
    except psutil.NoSuchProcess:  # The process ended since it was listed.
        return 0.0
