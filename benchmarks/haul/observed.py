"""A command of the project while it runs: how far it is, and what its processes hold."""

import itertools
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

from benchmarks.cost import Memory, memory_of
from mfer_core.cache.code import ROOT

EVERY_S = 2.0
PROGRESS = re.compile(r" - (?P<title>[^|]*): (?P<done>\d+) of (?P<total>\d+)$")


class Step(NamedTuple):
    """How far a loop of the command was, ``time_s`` after the command's start."""

    time_s: float
    title: str
    done: int
    total: int


class Sample(NamedTuple):
    """What the project's processes held, ``time_s`` after the command's start."""

    time_s: float
    program: Memory
    server: Memory  # of Prefect
    cpu_s: float  # seconds of the processors that the program has used so far


@dataclass
class Observed:
    """A command that has ended."""

    seconds: float = 0.0
    steps: list[Step] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def titles(self) -> list[str]:
        return list(dict.fromkeys(step.title for step in self.steps))

    def at(self, share: float, title: str) -> float:
        """Seconds from the command's start until so much of the loop was done, between two steps."""
        own = [step for step in self.steps if step.title == title]
        for before, after in itertools.pairwise(own):
            low, high = before.done / before.total, after.done / after.total
            if low <= share <= high and high > low:
                return before.time_s + (after.time_s - before.time_s) * (share - low) / (high - low)
        return float("nan")

    def cpu_until(self, time_s: float) -> float:
        """Seconds of the processors that the program has used by then."""
        samples = [(sample.time_s, sample.cpu_s) for sample in self.samples]
        return float(np.interp(time_s, *zip(*samples, strict=True)))

    def held(self, after_s: float) -> Sample | None:
        """The first sample after so many seconds."""
        return next((sample for sample in self.samples if sample.time_s >= after_s), None)


def run_observed(project: Path, *arguments: str) -> Observed:
    """Run ``python -m flows`` in the project. Raises CalledProcessError where it fails."""
    command, observed = [sys.executable, "-m", "flows", *arguments], Observed()
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    over = threading.Event()

    def sample() -> None:
        while not over.wait(EVERY_S):
            observed.samples.append(Sample(time.perf_counter() - started, *_held_in(project)))

    sampling = threading.Thread(target=sample)
    sampling.start()
    try:
        with (project / "haul.log").open("a") as log:
            for line in process.stdout or ():
                log.write(line)
                if match := PROGRESS.search(line.rstrip()):
                    now = time.perf_counter() - started
                    observed.steps.append(Step(now, match["title"], int(match["done"]), int(match["total"])))
        status = process.wait()
    finally:
        over.set()
        sampling.join()
        process.kill()
    observed.seconds = time.perf_counter() - started
    if status:
        raise subprocess.CalledProcessError(status, command)
    return observed


def _held_in(project: Path) -> tuple[Memory, Memory, float]:
    """What the program's and what Prefect's server's processes hold, and what the program has computed, of
    all that work in this folder.

    A process that has ended counts with its parent, which lives as long as the command.
    """
    program, server, cpu_s = Memory(), Memory(), 0.0
    for process in _processes_in(project):
        with suppress(psutil.NoSuchProcess):
            if any("prefect" in word for word in process.cmdline()):
                server += memory_of(process)
            else:
                program += memory_of(process)
                cpu_s += sum(process.cpu_times()[:4])
    return program, server, cpu_s


def _processes_in(project: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.cwd() == str(project.resolve()):
                yield process
