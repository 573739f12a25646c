"""Seconds of several ways to do one thing: they take turns, so that a busy machine slows all alike."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
Clock = Callable[[], float]


def timed(work: Callable[[], Result], clock: Clock = time.perf_counter) -> tuple[Result, float]:
    """The result of ``work`` and its seconds by ``clock``."""
    started = clock()
    result = work()
    return result, clock() - started


def fastest(
    ways: dict[str, Callable[[], object]],
    rounds: int,
    clock: Clock = time.perf_counter,
    *,
    warm_up: bool = True,
) -> dict[str, float]:
    """Seconds of each way's fastest turn; with ``warm_up`` each has a turn that does not count first."""
    if warm_up:
        for way in ways.values():
            way()
    turns = [{name: timed(way, clock)[1] for name, way in ways.items()} for _ in range(rounds)]
    return {name: min(seconds[name] for seconds in turns) for name in ways}
