"""Makes the trials of a plan, in several processes side by side, until all are made or the time is over."""

import ctypes
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from benchmarks.chaos import plan
from benchmarks.chaos.planted import PLANTS
from benchmarks.chaos.points import Kill
from benchmarks.chaos.project import Unit
from benchmarks.chaos.record import Record
from benchmarks.chaos.trial import PDEATHSIG, Laboratory, Trial, adopt_orphans

PHASES = ("null", "point", "power", "fault", "random", "planted", "whole")


@dataclass(frozen=True)
class Plan:
    """What is to be tried."""

    units: dict[str, Unit]
    seed: int
    random_trials: int
    phases: Sequence[str]
    kinds: Sequence[str]


class Driver:
    """One of the processes that make the trials of ``plan``."""

    def __init__(self, laboratory: Laboratory, plan: Plan, record: Record, deadline: float):
        self.laboratory, self.plan, self.record, self.deadline = laboratory, plan, record, deadline

    def make_undisturbed(self) -> None:
        """The null control, which is always made, since it counts the points and the seconds."""
        for name, unit in self.plan.units.items():
            if not self.record.claim(name):
                continue
            for trial in plan.undisturbed({name: unit}, 2):
                if entry := self._one(trial):
                    self.laboratory.expected.setdefault(name, entry["tracked"])

    def make_disturbed(self) -> None:
        """Every other phase, in rounds."""
        self.laboratory.expected.update({name: entry["tracked"] for name, entry in self._undisturbed.items()})
        if "planted" in self.plan.phases:
            for bug, (_, unit, _) in PLANTS.items():
                if unit in self._undisturbed and self.record.claim(bug):
                    self._find(bug)
        counts, seconds, seed = self._counts, self._seconds, self.plan.seed
        trials: dict[str, Iterator[Trial]] = {
            "point": plan.enumerated(counts, seed, self.plan.kinds),
            "power": plan.without_power(counts, self.plan.units, seed),
            "fault": plan.with_faults(counts, seed),
            "random": plan.at_random(seconds, self.plan.units, seed, self.plan.random_trials),
        }
        chosen = [trial for phase in trials if phase in self.plan.phases for trial in trials[phase]]
        for trial in plan.in_rounds(chosen, seed):
            if not self._was_hit(trial) and self.record.claim(trial.name):
                self._one(trial)

    def _was_hit(self, trial: Trial) -> bool:
        """Whether what the trial's kills are to hit was hit often enough, by trials of the same kind."""
        kind = plan.kind_of(trial.name)
        hits = Counter[bool]()
        self.record.read()
        for name, entry in self.record.trials.items():
            if name != trial.name and plan.kind_of(name) == kind:
                hits.update(isinstance(kill, dict) and kill["after"] for kill in _hit(entry))
        afters = {kill.after for kill in trial.kills if isinstance(kill, Kill)}
        return bool(afters) and all(hits[after] >= plan.HITS for after in afters)

    @cached_property
    def _undisturbed(self) -> dict[str, dict]:
        """The second run of each unit without kills: the first one also makes what lasts."""
        entries = {name: self.record.trials.get(f"null/{name}/1") for name in self.plan.units}
        return {name: entry for name, entry in entries.items() if entry}

    @property
    def _counts(self) -> dict[str, dict[str, int]]:
        return {name: entry["points"] for name, entry in self._undisturbed.items()}

    @property
    def _seconds(self) -> dict[str, float]:
        return {name: entry["run_s"] for name, entry in self._undisturbed.items()}

    def _one(self, trial: Trial) -> dict | None:
        """A trial's entry, made or looked up; None when the time is over."""
        if trial.name not in self.record.trials:
            if time.monotonic() > self.deadline:
                return None
            outcome = self.laboratory.carry_out(trial)
            self.record.add({**asdict(trial), **asdict(outcome)})
        return self.record.trials[trial.name]

    def _find(self, bug: str) -> None:
        """Trials with a planted bug until one of them shows it."""
        said = f"NOT found in {plan.TRIES} trials"
        for number, trial in enumerate(plan.with_bug(bug, self._counts, self._seconds, self.plan.seed), 1):
            entry = self._one(trial)
            if entry is None:
                return
            if entry["faults"]:
                said = f"found with seed {self.plan.seed} in trial {number}: {entry['faults'][0]}"
                break
        print(f"planted: {bug}: {said}", flush=True)


def _hit(entry: dict) -> list:
    """The kills of a trial that was made which found a run at work."""
    return [entry["kills"][number] for number in entry["hit"]]


def side_by_side(count: int, work: Callable[[int], None]) -> None:
    """Call ``work`` with 0 to ``count`` - 1, each in a fork that ends with this process and adopts orphans.

    Raises RuntimeError after the end of all when one of them failed.
    """
    forks = [_fork(number, work) for number in range(count)]
    statuses = {}
    try:
        for fork in forks:
            statuses[fork] = os.waitpid(fork, 0)[1]
    finally:
        for fork in set(forks) - set(statuses):  # Whoever stops this process stops them before the server.
            os.kill(fork, signal.SIGKILL)
            os.waitpid(fork, 0)
    if any(statuses.values()):
        raise RuntimeError("a process that makes trials ended by itself: its last lines say why")


def _fork(number: int, work: Callable[[int], None]) -> int:
    if fork := os.fork():
        return fork
    status = 1
    try:
        ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        adopt_orphans()
        work(number)
        status = 0
    finally:
        if sys.exc_info()[0] is not None:
            sys.excepthook(*sys.exc_info())
        sys.stdout.flush()
        os._exit(status)
