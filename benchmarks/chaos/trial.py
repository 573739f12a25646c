"""One trial: a run that is killed, once or several times, is started again, ends, and left what it should."""

import atexit
import ctypes
import os
import resource
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import NoReturn

import psutil

from benchmarks.chaos.points import Kill, Points
from benchmarks.chaos.power import lose_power, state
from benchmarks.chaos.project import Project, Unit
from benchmarks.chaos.reader import reading

LIMIT_S = 300  # A run that takes this long waits for what a person would have to remove.
ORPHAN_S = (
    8  # A process may outlive the killed one by this much; it looks every second, on a busy machine late.
)
SUBREAPER = 36  # prctl: children of a process that is gone become this one's, and not init's
OVER, BACK = "over", "back"
PDEATHSIG = 1  # prctl: a run ends with the driver, if that is killed
FORKED = {"OMP_NUM_THREADS": "1", "COLUMNS": "110"}


@dataclass(frozen=True)
class Trial:
    """What is done to which unit. Kills come one after the other, each in a run of its own."""

    name: str
    unit: str
    kills: tuple[Kill | float, ...] = ()  # a point, or seconds after the start
    power: str | None = None  # after each kill the power is lost: DATA or NAMES (benchmarks/chaos/power.py)
    stale: str | None = None  # OVER: the results of other settings lie there when it starts. BACK: the right
    # ones do, and what is killed is a run of other settings, after which somebody goes back.
    plant: str | None = None  # a planted bug (benchmarks/chaos/planted.py)


@dataclass(frozen=True)
class Outcome:
    """What came of a trial; no fault is a trial that was passed."""

    faults: list[str]
    killed: int  # runs that were at work when they were killed
    hit: list[int]  # numbers of the kills that killed them, from 0
    points: dict[str, int]  # of the last run, by kind
    seconds: float
    run_s: float  # of the last run alone
    processor_s: float  # of all runs, the reader and the comparison
    tracked: dict[str, list]  # what MLflow shows afterwards


def adopt_orphans() -> None:
    """Make this process the parent of whatever its children leave behind, so that it sees them."""
    if ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0):
        raise OSError("this system has no PR_SET_CHILD_SUBREAPER: the trials need Linux")


class Laboratory:
    """Where trials are made: a finished project, and what each unit leaves when nothing disturbs it."""

    def __init__(self, project: Project, units: dict[str, Unit], plants: dict[str, Callable[[], None]]):
        self.project, self.units, self.plants = project, units, plants
        self.folder = project.beside("points")
        self.expected: dict[str, dict] = {}  # what MLflow shows after an undisturbed run
        self._run_s = 0.0  # of the last run that was to end by itself
        self._results = [project.root / name for name in ("data", "out")]
        self._earlier = project.beside("earlier")

    def carry_out(self, trial: Trial) -> Outcome:
        """Make one trial. Raises nothing for what the program does wrong: that is a fault."""
        unit, started, worked = self.units[trial.unit], time.monotonic(), _processor_s()
        faults, hit = list[str](), list[int]()
        self.project.reset(unit.outputs)
        if trial.stale == OVER:
            self._lay_out_earlier(unit)
        elif trial.stale == BACK:
            self.project.restore(unit.outputs)
        report = self.project.beside("reader.log")
        with reading([self.project.root / name for name in unit.outputs], report):
            for number, kill in enumerate(trial.kills):
                before = self._states()
                with self.project.earlier(unit) if trial.stale == BACK else nullcontext():
                    was_killed, said = self._run_and_kill(unit, kill, trial.plant)
                hit += [number] if was_killed else []
                faults += said
                if trial.power and was_killed:
                    lose_power(self.folder, self._results, before, trial.power)
            faults += self._run_to_the_end(unit, trial.plant)
        # What a loss of power leaves is no file that anybody wrote, so that the reader sees it and may.
        if report.exists() and not trial.power:
            faults += [f"half a file was seen: {line}" for line in report.read_text().splitlines()[:3]]
        faults += self._differences(unit, went_back=trial.stale == BACK)
        points, tracked = self._counts(), self.project.tracked()
        self.project.restore(unit.outputs)
        seconds, worked = time.monotonic() - started, _processor_s() - worked
        times = round(seconds, 2), round(self._run_s, 2), round(worked, 2)
        return Outcome(faults, len(hit), hit, points, *times, tracked)

    def _lay_out_earlier(self, unit: Unit) -> None:
        """The results of an earlier run of other settings, which is made once and then copied."""
        kept = self._earlier / unit.name
        if not kept.exists():
            with self.project.earlier(unit):
                faults = self._run_to_the_end(unit, None)
            if faults:
                raise RuntimeError(f"{unit.name} with {unit.earlier} does not run: {faults}")
            making = kept.with_suffix(".making")
            shutil.rmtree(making, ignore_errors=True)
            for name in unit.outputs:
                shutil.copytree(self.project.root / name, making / name)
            making.rename(kept)
            self.project.reset(unit.outputs)
        for name in unit.outputs:
            shutil.rmtree(self.project.root / name, ignore_errors=True)
            shutil.copytree(kept / name, self.project.root / name)

    def _states(self) -> dict[str, tuple]:
        files = (path for folder in self._results for path in folder.rglob("*"))
        return {str(path): state(path) for path in files if path.is_file()}

    def _run_and_kill(self, unit: Unit, kill: Kill | float, plant: str | None) -> tuple[bool, list[str]]:
        """Whether the run was at work when it was killed, and what is wrong with how it went."""
        point = kill if isinstance(kill, Kill) else None
        run = self._start(unit, point, plant)
        status = self._wait(run, kill if isinstance(kill, float) else LIMIT_S)
        if status is None:
            os.kill(run, signal.SIGKILL)
            status = self._wait(run, LIMIT_S)
            if point:
                return False, [f"a run that was to be killed at {point} hung for {LIMIT_S} s: {self._said()}"]
        orphans = self._orphans()
        if point and point.error and status == 1:
            said, reason = (self.folder / "said.log").read_text(errors="replace"), os.strerror(point.error)
            if "Traceback" in said or said.replace(reason, "").count("error: ") != 1:
                return True, [f"{reason} is not one clear line: {self._said()}"]
        elif status not in (0, -signal.SIGKILL):
            return False, [f"a run before its kill ended with status {status}: {self._said()}"]
        return status != 0, [f"outlived the killed run by {ORPHAN_S} s: {command}" for command in orphans]

    def _run_to_the_end(self, unit: Unit, plant: str | None) -> list[str]:
        started = time.monotonic()
        run = self._start(unit, None, plant)
        status = self._wait(run, LIMIT_S)
        self._run_s = time.monotonic() - started
        if status is None:
            os.kill(run, signal.SIGKILL)
            self._wait(run, LIMIT_S)
        faults = [f"outlived its run by {ORPHAN_S} s: {command}" for command in self._orphans()]
        if status:
            faults.append(f"started again it ended with status {status}: {self._said()}")
        elif status is None:
            faults.append(f"started again it hung for {LIMIT_S} s: {self._said()}")
        return faults

    def _start(self, unit: Unit, kill: Kill | None, plant: str | None) -> int:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        run = os.fork()
        if not run:
            self._become(unit, kill, plant)
        return run

    def _become(self, unit: Unit, kill: Kill | None, plant: str | None) -> NoReturn:
        """Be the process that ``python -m flows`` would be, with the libraries loaded."""
        status = 1
        try:
            os.setsid()
            ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            os.chdir(self.project.root)
            log = os.open(self.folder / "said.log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            for number in (1, 2):
                os.dup2(log, number)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            from flows.__main__ import main
            from flows.fork_server import _open_streams, _share_with_workers

            _open_streams()
            if plant:
                self.plants[plant]()
            Points(self.folder, self.project.root, kill).install()
            _share_with_workers()
            status = main(list(unit.command))
            sys.stdout.flush()
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
            sys.stdout.flush()
        finally:
            if sys.exc_info()[0] is not None:
                sys.excepthook(*sys.exc_info())
                sys.stderr.flush()
            os._exit(status)

    def _wait(self, run: int, limit_s: float) -> int | None:
        """The exit status of a child, negative for a signal; None when it still runs after ``limit_s``."""
        deadline = time.monotonic() + limit_s
        while True:
            ended, status = os.waitpid(run, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > deadline:
                return None
            time.sleep(0.01)

    def _orphans(self) -> list[str]:
        """Wait until nothing that works in the project is left; returns what does not end, and ends it."""
        deadline, left = time.monotonic() + ORPHAN_S, []
        while left := self._family():
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)  # Looking through all processes takes ten milliseconds of a core.
        commands = []
        for process in left:
            with suppress(psutil.NoSuchProcess):
                commands.append(" ".join(process.cmdline())[:100])
                process.kill()
                os.waitpid(process.pid, 0)
        return commands

    def _family(self) -> list[psutil.Process]:
        """The living descendants of this process that work in the project's folder; the dead are buried."""
        living = []
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess, ChildProcessError):
                if process.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(process.pid, os.WNOHANG)
                elif process.cwd() == str(self.project.root):
                    living.append(process)
        return living

    def _said(self) -> str:
        return " | ".join((self.folder / "said.log").read_text(errors="replace").splitlines()[-6:])[-700:]

    def _counts(self) -> dict[str, int]:
        """The points of the last run by kind."""
        path, counts = self.folder / "points.jsonl", dict[str, int]()
        for line in path.read_text().splitlines() if path.exists() else []:
            kind = line.split('"')[1]
            counts[kind] = counts.get(kind, 0) + 1
        return counts

    def _differences(self, unit: Unit, went_back: bool) -> list[str]:
        """How the outputs and MLflow differ from those of an undisturbed run."""
        project, faults = self.project, []
        wanted = project.content(unit.outputs, project.finished)
        there = project.content(unit.outputs)
        faults += [f"{path} is missing" for path in sorted(wanted.keys() - there.keys())]
        faults += [f"{path} should not be there" for path in sorted(there.keys() - wanted.keys())]
        faults += [
            f"{path} differs" for path in sorted(wanted.keys() & there.keys()) if wanted[path] != there[path]
        ]
        tracked = project.tracked()
        expected = self.expected.setdefault(unit.name, tracked)  # The first one is undisturbed.
        compare = _lacks if went_back else _differs
        faults += [
            f"MLflow's {name}: {tracked[name]}, not {expected[name]}"
            for name in tracked
            if compare(tracked, expected, name)
        ]
        return faults[:8]


def _differs(tracked: dict[str, list], expected: dict[str, list], name: str) -> bool:
    return tracked[name] != expected[name]


def _lacks(tracked: dict[str, list], expected: dict[str, list], name: str) -> bool:
    """As ``_differs``, but MLflow may also show what the run of other settings had finished by then."""
    rows = tracked[name]
    if name == "unfinished":
        return rows != expected[name]
    if name == "runs":
        keys = [(row[0], row[1]) for row in rows]
        ended = all(row[2] == "FINISHED" for row in rows)
        return not ended or len({*keys}) < len(keys) or any(row not in rows for row in expected[name])
    if name == "versions":  # Their numbers follow from the order; each is described, and there once.
        models = [(row[0], row[3]) for row in rows]
        wanted = {(row[0], row[3]) for row in expected[name]}
        return not all(row[2] for row in rows) or len({*models}) < len(models) or not wanted <= {*models}
    return [row[:2] for row in rows] != [row[:2] for row in expected[name]]


def _processor_s() -> float:
    """Seconds of a processor that this process and those that it has seen end have spent."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
