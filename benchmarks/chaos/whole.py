"""Whole runs of a shrunk project, killed again and again and gone on with, in each of the ways.

Killed is the run itself, everything that works in the project (as by a loss of power), or one of its
processes, whichever: a stage, DVC, Prefect's server, a worker of Dask, a process of a pool. In the last case
the run may also go on as if nothing had happened, or has to say why not in one line. In the way "mfer" the
kills come as a call of DVC begins, or once one has ended.
"""

import itertools
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.chaos.calls import AT_CALLS, CallKill, Calls, kills_at_calls
from benchmarks.chaos.left import Progress, differences, results, shown_at_work
from benchmarks.chaos.project import Project
from benchmarks.chaos.reader import reading
from benchmarks.chaos.record import Record
from benchmarks.chaos.ways import WAYS, words

LIMIT_S = 1800  # many times what a whole run takes on a machine of its own
ORPHAN_S = 30  # A server may take ten seconds to its end.
POLL_S = 0.1
# What lies there when a run starts, by the settings that have changed since: nothing, or a finished run's.
NOTHING = "nothing"
CHANGES: dict[str, dict] = {
    NOTHING: {},
    "other embeddings": {"embed": {"dtype": "float16"}},
    "other audio arm": {"train_audio": {"learning_rate": 1e-3}},
}
STARTS = ((NOTHING, 20), ("other audio arm", 10), (NOTHING, 20), ("other embeddings", 10))  # kills of each
RUN, ALL, ONE = "the run", "everything", "one process"


@dataclass(frozen=True)
class WholeKill:
    """The n-th of N kills comes once n - 1 N-ths of the work are done, up to an N-th of the time later."""

    victim: str
    moment: float  # how much later, as a share of that N-th
    pick: float  # which of the processes, where it is one


@dataclass(frozen=True)
class WholeTrial:
    """A whole run that is killed and gone on with, and what it starts from."""

    name: str
    unit: str
    way: str
    start: str
    kills: tuple[WholeKill, ...] | tuple[CallKill, ...] = ()


def undisturbed(way: str, starts: set[str]) -> Iterator[WholeTrial]:
    """The null control of a way."""
    for start in sorted(starts):
        yield WholeTrial(f"null/whole {way}/{start}", f"whole {way}", way, start)


def disturbed(way: str, seed: int, count: int) -> Iterator[WholeTrial]:
    """Runs with ``count`` kills in all."""
    if way == AT_CALLS:
        calls = kills_at_calls((RUN, ALL), f"{seed} whole {way}", count)
        yield WholeTrial(f"whole/{way}/0 {NOTHING}", f"whole {way}", way, NOTHING, tuple(calls))
        return
    for number, (start, most) in enumerate(itertools.cycle(STARTS)):
        if count <= 0:
            return
        rng = random.Random(f"{seed} whole {way} {number}")
        kills = [
            WholeKill(rng.choice((RUN, ALL, ONE, ONE)), rng.random(), rng.random())
            for _ in range(min(most, count))
        ]
        yield WholeTrial(f"whole/{way}/{number} {start}", f"whole {way}", way, start, tuple(kills))
        count -= most


class WholeRuns:
    """Where whole runs of one way are made."""

    def __init__(self, folder: Path, finished: Path, way: str):
        self.project = Project(folder / way / "project", finished)
        self.project.root.parent.mkdir(parents=True, exist_ok=True)
        if not self.project.root.exists():
            shutil.copytree(finished, self.project.root, symlinks=True)
        self.way = WAYS[way](self.project.root)
        self._killed: list[str] = []  # what was killed in this trial
        self._hit = ""  # the last of them, in the present run
        self._is_mute = False  # Who would have said why was killed.
        self._began = 0.0  # when the present run did

    def carry_out(self, trial: WholeTrial, control: dict[str, Any]) -> dict[str, Any]:
        """Make a trial; ``control`` is the entry of the null control, empty where this is the first."""
        began, self._killed, self.way.helped = time.monotonic(), [], 0
        self._lay_out(trial.start)
        report = self.project.beside("reader.log")
        with reading([self.project.root / "data"], report):
            self._start()
            faults = self._disturb(trial.kills, control) if trial.kills else []
            faults += self._go_to_the_end()
        ran = time.monotonic() - self._began
        if report.exists():
            faults += [f"half a file was seen: {line}" for line in report.read_text().splitlines()[:3]]
        left = results(self.project)
        faults += differences(left, control.get("results") or left)
        faults += self._shown_at_work()
        return {
            **asdict(trial),
            "faults": faults,
            "killed": len(self._killed),
            "victims": self._killed,
            "helped": self.way.helped,
            "points": {},
            "seconds": round(time.monotonic() - began, 2),
            "run_s": round(ran, 2),
            "results": None if trial.kills else left,
        }

    def _shown_at_work(self) -> list[str]:
        """Runs that Prefect shows as at work although none is, once its server was started anew."""
        self.way.end()
        server = WAYS["worker"](self.project.root)
        server.prepare()
        faults = shown_at_work(self.project)
        server.end()
        return faults + self._orphans()

    def _lay_out(self, start: str) -> None:
        """The project as a finished run left it, or without any result; and the settings of this trial."""
        root, finished = self.project.root, self.project.finished
        for name in ("data", "mlartifacts", "out", ".dvc", "dvc.lock"):
            path = root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        for file in root.glob("mlflow.db*"):
            file.unlink()
        shutil.copy(root / "empty.db", root / "mlflow.db")
        # DVC runs a stage again whose results its cache lacks, and none whose run its cache remembers.
        left_out = ("tmp", "runs") if start != NOTHING else ("tmp", "cache")
        shutil.copytree(finished / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns(*left_out))
        if start != NOTHING:
            shutil.copytree(finished / "data", root / "data", symlinks=True)
            shutil.copy(finished / "dvc.lock", root / "dvc.lock")
        self.project.write_settings({**CHANGES[start], "runner": self.way.runner})

    def _start(self) -> None:
        self.way.prepare()
        self._hit, self._began = "", time.monotonic()
        self.way.start()

    def _disturb(self, kills: Sequence[WholeKill | CallKill], control: dict[str, Any]) -> list[str]:
        progress, calls, faults = Progress(self.project, control["results"]), Calls(self._family), list[str]()
        for number, kill in enumerate(kills):
            if isinstance(kill, CallKill):
                is_due = calls.come(kill)
            else:
                seconds = kill.moment * control["run_s"] / len(kills)
                is_due = progress.come(number / len(kills), seconds)
            faults += self._come_to(is_due, f"kill {number + 1} of {len(kills)}")
            if self.way.status() is None:
                self._kill(kill)
        return faults

    def _come_to(self, is_due: Callable[[], bool], what: str) -> list[str]:
        """Let the run go on until a kill is due, started again where it has ended."""
        faults: list[str] = []
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            if (status := self.way.status()) is not None:
                faults += self._ended(status)
                if status == 0:
                    return faults
                self._start()
            if is_due():
                return faults
            self._rest()
        return [*faults, f"within {LIMIT_S} s it did not come to {what}: {self._tail()}"]

    def _kill(self, kill: WholeKill | CallKill) -> None:
        victims, top = self._victims(kill), self.way.top()
        if not victims:
            return
        self._hit = f"{len(victims)} processes" if len(victims) > 1 else words(victims[0])
        when = f"{kill.moment}: " if isinstance(kill, CallKill) else ""
        self._killed.append(f"{when}{kill.victim}: {self._hit}")
        self._is_mute = kill.victim != ONE or bool({*top, *self.way.speakers()} & {*victims})
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)

    def _victims(self, kill: WholeKill | CallKill) -> list[psutil.Process]:
        if kill.victim == RUN:
            return self.way.top()
        working = sorted(self._family(), key=lambda process: (words(process), process.pid))
        if isinstance(kill, CallKill) or kill.victim == ALL or not working:
            return working
        return [working[int(kill.pick * len(working))]]

    def _ended(self, status: int) -> list[str]:
        """What is wrong with the end of a run: of itself, or after a kill."""
        faults = []
        if status and not self._hit and not self.way.is_cut_off():
            faults = [f"a run ended with status {status}: {self._tail()}"]
        elif status > 0:  # Who was killed says nothing.
            faults = self._said_why()
        return faults + self._orphans()

    def _said_why(self) -> list[str]:
        said = self.way.said()
        if "Traceback" in said:
            self.project.beside(f"traceback-{len(self._killed)}.log").write_text(said)
            return [f"after a kill of {self._hit} it said a traceback: {self._tail()}"]
        if not self._is_mute and "rror: " not in said.replace("ERROR: ", "error: "):
            return [f"after a kill of {self._hit} it did not say why it ended: {self._tail()}"]
        return []

    def _go_to_the_end(self) -> list[str]:
        """Wait for the run's end; where a kill ended it, of the run that goes on."""
        faults, status = list[str](), self._wait(LIMIT_S)
        while status and (self._hit or self.way.is_cut_off()):
            faults += self._ended(status)
            self._start()
            status = self._wait(LIMIT_S)
        if status is None:
            return [*faults, f"a run hung for {LIMIT_S} s: {self._tail()}"]
        return faults + self._ended(status)

    def _wait(self, limit_s: float) -> int | None:
        """The run's exit status; None where it did not end, which is then made to."""
        deadline = time.monotonic() + limit_s
        while (status := self.way.status()) is None and time.monotonic() < deadline:
            self._rest()
        if status is None:
            for process in self._family():
                process.kill()
        return status

    def _rest(self) -> None:
        self.way.bury()
        time.sleep(POLL_S)

    def _family(self) -> set[psutil.Process]:
        """All below this process that work in the project."""
        living = set()
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(self.project.root):
                    living.add(process)
        return living

    def _orphans(self) -> list[str]:
        """Wait until only what stands is left; returns what does not end, and ends it."""
        deadline = time.monotonic() + ORPHAN_S
        while (left := self._family() - self.way.standing()) and time.monotonic() < deadline:
            self._rest()
        commands = [words(process) for process in left]
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return [f"outlived its run by {ORPHAN_S} s: {command}" for command in commands]

    def _tail(self) -> str:
        return " | ".join(self.way.said().splitlines()[-6:])[-700:]


def make_whole(folder: Path, way: str, seed: int, count: int, record: Record, deadline: float) -> None:
    """All trials of a way until the time is over."""
    runs, trials = WholeRuns(folder / "whole", folder / "finished", way), [*disturbed(way, seed, count)]
    for trial in [*undisturbed(way, {trial.start for trial in trials}), *trials]:
        # All ways are to leave the same results: those of the first null control, which every way compares.
        control = record.first("null/whole ", trial.start) or {}
        if trial.name in record.trials or (control and not trial.kills):
            continue
        if time.monotonic() > deadline:
            break
        run_s = record.trials.get(f"null/whole {way}/{trial.start}", control).get("run_s")
        record.add(runs.carry_out(trial, {**control, "run_s": run_s}))
