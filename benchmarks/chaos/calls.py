"""Kills of a whole run that come as a call of DVC begins, or once one has ended."""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import psutil

from benchmarks.chaos.ways import words

AT_CALLS = "mfer"  # the way whose runs are killed so: all its stages are calls of DVC
MOST_CALLS = 3  # that a kill lets go by


@dataclass(frozen=True)
class CallKill:
    """A kill at a call of DVC, when ``calls`` others have come to the same moment."""

    victim: str
    has_ended: bool
    calls: int

    @property
    def moment(self) -> str:
        """When it comes, in words."""
        return "once a call of DVC has ended" if self.has_ended else "as a call of DVC begins"


def kills_at_calls(victims: tuple[str, str], seed: str, count: int) -> Iterator[CallKill]:
    """``count`` kills, one in two as a call begins, of each of the ``victims`` in turn."""
    rng = random.Random(seed)
    for number in range(count):
        yield CallKill(victims[number // 2 % 2], number % 2 == 1, rng.randint(0, MOST_CALLS))


class Calls:
    """Watches DVC's processes among those of a run."""

    def __init__(self, family: Callable[[], Iterable[psutil.Process]]):
        self._family, self._callers = family, dict[psutil.Process, psutil.Process | None]()

    def come(self, kill: CallKill) -> Callable[[], bool]:
        """Whether ``kill`` is due; to be asked again and again."""
        left = kill.calls

        def is_due() -> bool:
            nonlocal left
            begun, ended = self._look()
            left -= ended if kill.has_ended else begun
            return left < 0

        return is_due

    def _look(self) -> tuple[int, int]:
        """How many have begun since it was asked last, and how many ended whose caller is still there."""
        calls, known = {one for one in self._family() if " dvc " in words(one)}, self._callers
        ended = [caller for call, caller in known.items() if call not in calls]
        self._callers = {call: known[call] if call in known else _caller(call) for call in calls}
        return len(calls - known.keys()), sum(caller is not None and caller.is_running() for caller in ended)


def _caller(call: psutil.Process) -> psutil.Process | None:
    try:
        return call.parent()
    except psutil.NoSuchProcess:
        return None
