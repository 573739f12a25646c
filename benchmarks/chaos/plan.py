"""Which trials are made: a function of the seed, of the units and of what an undisturbed run does."""

import errno
import random
from collections import Counter
from collections.abc import Iterable, Iterator

from benchmarks.chaos.planted import PLANTS
from benchmarks.chaos.points import ANY, FILES, KINDS, Kill
from benchmarks.chaos.power import DATA, NAMES, SOME
from benchmarks.chaos.project import Unit
from benchmarks.chaos.trial import BACK, OVER, Trial

AT_MOST, FEW = 10, 3  # numbers of a kind that are hit in a unit, and in one that takes long
LONG_S = 15.0
MOST_KILLS = 3  # of a trial at random times
TRIES = 40  # trials until a planted bug is given up


def undisturbed(units: dict[str, Unit], repeats: int) -> Iterator[Trial]:
    """The null control: the same driver without kills, from nothing and from other settings' results."""
    for name, unit in units.items():
        yield from (Trial(f"null/{name}/{number}", name) for number in range(repeats))
        if unit.earlier:
            yield Trial(f"null/{name}/stale", name, stale=OVER)


def enumerated(counts: dict[str, dict[str, int]], seconds: dict[str, float], seed: int) -> Iterator[Trial]:
    """Before and after the n-th point of every kind, up to the last one that an undisturbed run reaches."""
    for unit, by_kind in counts.items():
        most = AT_MOST if seconds[unit] < LONG_S else FEW
        for kind in KINDS:
            for number in _numbers(by_kind.get(kind, 0), most, f"{seed} {unit} {kind}"):
                for after in (False, True):
                    name = f"point/{unit}/{'after' if after else 'before'} {kind} {number}"
                    yield Trial(name, unit, (Kill(kind, number, after),))


def without_power(
    counts: dict[str, dict[str, int]], seconds: dict[str, float], units: dict[str, Unit], seed: int
) -> Iterator[Trial]:
    """The power is lost after the n-th point of a file, on all three kinds of file system."""
    for unit, by_kind in counts.items():
        total = sum(by_kind.get(kind, 0) for kind in FILES)
        most = AT_MOST if seconds[unit] < LONG_S else FEW
        for number in _numbers(total, most, f"{seed} {unit} power"):
            for kind in (DATA, SOME, NAMES):
                stale = (None, OVER, BACK)[number % 3] if units[unit].earlier else None
                name = f"power/{unit}/{kind} {number}"
                yield Trial(name, unit, (Kill(ANY, number, True),), power=kind, stale=stale)


def with_faults(counts: dict[str, dict[str, int]], seed: int) -> Iterator[Trial]:
    """The n-th call that touches a file fails: the disk is full, broken, or may not be written."""
    for unit, by_kind in counts.items():
        total = sum(by_kind.get(kind, 0) for kind in FILES)
        for error in (errno.ENOSPC, errno.EIO, errno.EACCES):
            for number in _numbers(total, FEW, f"{seed} {unit} {error}"):
                name = f"fault/{unit}/{errno.errorcode[error]} {number}"
                yield Trial(name, unit, (Kill(ANY, number, False, error),))


def at_random(seconds: dict[str, float], units: dict[str, Unit], seed: int, count: int) -> Iterator[Trial]:
    """Kills at random times, one to three in a trial, with results of other settings or without.

    Every unit gets about the same time.
    """
    names = sorted(seconds)
    weights = [1 / seconds[name] for name in names]
    for number in range(count):
        rng = random.Random(f"{seed} random {number}")
        unit = rng.choices(names, weights)[0]
        kills = tuple(rng.uniform(0.0, seconds[unit]) for _ in range(rng.randint(1, MOST_KILLS)))
        stale = rng.choice((None, OVER, BACK)) if units[unit].earlier else None
        yield Trial(f"random/{number} {unit}", unit, kills, stale=stale)


def with_bug(
    bug: str, counts: dict[str, dict[str, int]], seconds: dict[str, float], seed: int
) -> Iterator[Trial]:
    """Trials in the unit that the planted bug harms; whoever makes them stops at the first fault."""
    _, unit, way = PLANTS[bug]
    for number in range(TRIES):
        rng, name = random.Random(f"{seed} {bug} {number}"), f"planted/{bug}/{number}"
        if way == "power":
            last = sum(counts[unit].get(kind, 0) for kind in FILES)
            kill = Kill(ANY, rng.randint(1, last), True)
            yield Trial(name, unit, (kill,), power=rng.choice((DATA, SOME, NAMES)), plant=bug)
        elif way in KINDS:
            kill = Kill(way, rng.randint(1, counts[unit][way]), rng.random() < 0.5)
            yield Trial(name, unit, (kill,), plant=bug)
        else:
            kill = rng.uniform(0.0, seconds[unit])
            yield Trial(name, unit, (kill,), stale=OVER if way == "stale" else None, plant=bug)


def in_rounds(trials: Iterable[Trial], seed: int) -> list[Trial]:
    """A trial of each kind in each unit first, then a second one of each, so that all kinds have theirs
    whenever the time is over.
    """
    shuffled, made = [*trials], Counter[tuple[str, ...]]()
    random.Random(seed).shuffle(shuffled)
    numbered = []
    for trial in shuffled:
        numbered.append((made[kind := _kind(trial)], trial))
        made[kind] += 1
    return [trial for _, trial in sorted(numbered, key=lambda pair: pair[0])]


def _kind(trial: Trial) -> tuple[str, ...]:
    """What trials have in common that try the same thing: phase, unit, and point, loss or error."""
    first = trial.kills[0] if trial.kills else None
    point = (first.kind, errno.errorcode.get(first.error, "")) if isinstance(first, Kill) else ()
    return trial.name.partition("/")[0], trial.unit, trial.power or "", *point


def _numbers(last: int, most: int, seed: str) -> list[int]:
    """Up to ``most`` of the numbers from 1 to ``last``, the first and the last among them."""
    if last <= most:
        return list(range(1, last + 1))
    return sorted({1, last, *random.Random(seed).sample(range(2, last), most - 2)})
