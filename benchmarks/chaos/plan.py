"""Which trials are made: a function of the seed, of the units and of what an undisturbed run does."""

import errno
import itertools
import random
from collections import Counter
from collections.abc import Iterable, Iterator

from benchmarks.chaos.planted import PLANTS
from benchmarks.chaos.points import ANY, FILES, KINDS, Kill
from benchmarks.chaos.power import DATA, NAMES, SOME
from benchmarks.chaos.project import Unit
from benchmarks.chaos.trial import BACK, OVER, Trial

HITS = 10  # of every kind of point in every unit, before it and after it
AT_POINTS = 6  # kills of a trial, each in a run that goes on where the one before was killed
FEW = 2  # points of a kind, to which hardly a run comes that goes on: before, then after, and a trial is over
AT_MOST = 24  # trials of a kind in a unit: some points are reached by no run that goes on
MOST_KILLS = 3  # of a trial at random times
TRIES = 40  # trials until a planted bug is given up


def undisturbed(units: dict[str, Unit], repeats: int) -> Iterator[Trial]:
    """The null control: the same driver without kills, from nothing and from other settings' results."""
    for name, unit in units.items():
        yield from (Trial(f"null/{name}/{number}", name) for number in range(repeats))
        if unit.earlier:
            yield Trial(f"null/{name}/stale", name, stale=OVER)


def enumerated(counts: dict[str, dict[str, int]], seed: int, kinds: Iterable[str] = KINDS) -> Iterator[Trial]:
    """Before and after points of these kinds, from the first to the last one of an undisturbed run."""
    for unit, by_kind in counts.items():
        for kind in kinds:
            for number in range(AT_MOST if by_kind.get(kind) else 0):
                name = f"point/{unit}/{kind} {number}"
                is_few = by_kind[kind] <= FEW
                places = _places(by_kind[kind], number, f"{seed} {name}", 2 if is_few else AT_POINTS)
                first = 0 if is_few else number
                kills = (Kill(kind, place, (first + at) % 2 == 1) for at, place in enumerate(places))
                yield Trial(name, unit, tuple(kills))


def without_power(counts: dict[str, dict[str, int]], units: dict[str, Unit], seed: int) -> Iterator[Trial]:
    """The power is lost after points of files, on all three kinds of file system."""
    for unit, by_kind in counts.items():
        total = sum(by_kind.get(kind, 0) for kind in FILES)
        for kind in (DATA, SOME, NAMES):
            for number in range(AT_MOST if total else 0):
                stale = (None, OVER, BACK)[number % 3] if units[unit].earlier else None
                name = f"power/{unit}/{kind} {number}"
                places = _places(total, number, f"{seed} {name}")
                kills = tuple(Kill(ANY, place, True) for place in places)
                yield Trial(name, unit, kills, power=kind, stale=stale)


def with_faults(counts: dict[str, dict[str, int]], seed: int) -> Iterator[Trial]:
    """Calls that touch a file fail: the disk is full, broken, or may not be written."""
    for unit, by_kind in counts.items():
        total = sum(by_kind.get(kind, 0) for kind in FILES)
        for error in (errno.ENOSPC, errno.EIO, errno.EACCES):
            for number in range(AT_MOST if total else 0):
                name = f"fault/{unit}/{errno.errorcode[error]} {number}"
                places = _places(total, number, f"{seed} {name}")
                yield Trial(name, unit, tuple(Kill(ANY, place, False, error) for place in places))


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
        yield Trial(f"random/{unit} {number}", unit, kills, stale=stale)


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
    shuffled, made = [*trials], Counter[str]()
    random.Random(seed).shuffle(shuffled)
    numbered = []
    for trial in shuffled:
        numbered.append((made[kind := kind_of(trial.name)], trial))
        made[kind] += 1
    return [trial for _, trial in sorted(numbered, key=lambda pair: pair[0])]


def kind_of(name: str) -> str:
    """What trials have in common that try the same thing in the same unit."""
    return name.rpartition(" ")[0]


def _places(last: int, number: int, seed: str, count: int = AT_POINTS) -> list[int]:
    """For each run of a trial the point at which it is killed, counted from where it goes on.

    Together they lead from the first point (in the first trial, with ``number`` 0) to the last one.
    """
    rng = random.Random(seed)
    places = sorted(
        [1 if number == 0 else rng.randint(1, last), last, *rng.choices(range(1, last + 1), k=count - 2)]
    )
    steps = [later - place for place, later in itertools.pairwise(places)]
    return [max(1, step) for step in (places[0], *steps)]
