"""One progress bar on a terminal, a plain log line every few seconds elsewhere, and whoever else wants to
know.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Item = TypeVar("Item")
LOG_EVERY_S = 10.0
log = logging.getLogger("mfer")
observers: list[Callable[[str, int, int], None]] = []  # called with title, done and total after each item


def track(items: Iterable[Item], title: str, total: int | None = None) -> Iterator[Item]:
    """Yield ``items``, showing how many of ``total`` (default ``len(items)``) are done."""
    total = len(items) if total is None else total  # type: ignore[arg-type]
    shown = (_track_bar if sys.stderr.isatty() else _track_log)(items, title, total)
    for done, item in enumerate(shown, 1):
        yield item
        for observer in observers:
            observer(title, done, total)


def _track_bar(items: Iterable[Item], title: str, total: int) -> Iterator[Item]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        for item in items:
            yield item
            bar.advance(task)


def _track_log(items: Iterable[Item], title: str, total: int) -> Iterator[Item]:
    last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        if time.monotonic() - last >= LOG_EVERY_S:
            last = time.monotonic()
            log.info("%s: %d of %d", title, done, total)
