"""Whole runs of a shrunk project, killed at random times and started again, in each of three ways.

Killed is the run itself, everything that works in the project (as by a loss of power), or one of its
processes, whichever: a stage, DVC, Prefect's server, a worker of Dask, a process of a pool. In the last case
the run may also end as if nothing had happened, or has to say why not in one line.
"""

import hashlib
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from benchmarks.chaos.project import Project
from benchmarks.chaos.reader import reading
from benchmarks.chaos.record import Record
from benchmarks.chaos.ways import WAYS, words

LIMIT_S = 900
ORPHAN_S = 30  # A server may take ten seconds to its end.
POLL_S = 0.1
# What lies there when a run starts, by the settings that have changed since: nothing, or a finished run's.
NOTHING = "nothing"
CHANGES: dict[str, dict] = {
    NOTHING: {},
    "other embeddings": {"embed": {"dtype": "float16"}},
    "other audio arm": {"train_audio": {"learning_rate": 1e-3}},
}
RUN, ALL, ONE = "the run", "everything", "one process"
UNFINISHED = (
    "SELECT count(*) FROM {0} WHERE state_type NOT IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED')"
)


@dataclass(frozen=True)
class WholeTrial:
    """A whole run that is killed once, and what it starts from."""

    name: str
    unit: str  # the way, and what lies there
    way: str
    start: str
    victim: str | None = None
    moment: float = 0.0  # share of an undisturbed run's time
    pick: float = 0.0  # which of the processes, where it is one


def undisturbed(way: str) -> Iterator[WholeTrial]:
    """The null control of a way."""
    for start in CHANGES:
        yield WholeTrial(f"null/whole {way}/{start}", f"whole {way}", way, start)


def disturbed(way: str, seed: int, count: int) -> Iterator[WholeTrial]:
    """Kills at random times."""
    for number in range(count):
        rng = random.Random(f"{seed} whole {way} {number}")
        start, victim = rng.choice([*CHANGES]), rng.choice((RUN, ALL, ONE, ONE))
        name = f"whole/{way}/{number}"
        yield WholeTrial(name, f"whole {way}", way, start, victim, rng.random(), rng.random())


class WholeRuns:
    """Where whole runs of one way are made."""

    def __init__(self, folder: Path, finished: Path, way: str):
        self.project = Project(folder / way / "project", finished)
        self.project.root.parent.mkdir(parents=True, exist_ok=True)
        if not self.project.root.exists():
            shutil.copytree(finished, self.project.root, symlinks=True)
        self.way = WAYS[way](self.project.root)
        self._killed = ""

    def carry_out(self, trial: WholeTrial, undisturbed: dict[str, Any]) -> dict[str, Any]:
        """Make a trial; ``undisturbed`` is what came of the null control, empty where this is the first."""
        began, self._killed = time.monotonic(), ""
        faults: list[str] = []
        self._lay_out(trial.start)
        report = self.project.beside("reader.log")
        with reading([self.project.root / "data"], report):
            self.way.prepare()
            if trial.victim:
                faults += self._run_and_kill(trial, undisturbed["run_s"])
                self.way.prepare()
            ran = time.monotonic()
            self.way.start()
            faults += self._end_of_run()
            ran = time.monotonic() - ran
            faults += self._orphans()
        if report.exists():
            faults += [f"half a file was seen: {line}" for line in report.read_text().splitlines()[:3]]
        results = self._results()
        faults += _differences(results, undisturbed.get("results") or results)
        return {
            **asdict(trial),
            "faults": faults,
            "killed": int(bool(self._killed)),
            "victim_process": self._killed,
            "points": {},
            "seconds": round(time.monotonic() - began, 2),
            "run_s": round(ran, 2),
            "results": None if trial.victim else results,
        }

    def runs_without_end(self) -> list[str]:
        """Runs that Prefect shows as at work although none is, once its server was started anew."""
        self.way.end()
        server = WAYS["worker"](self.project.root)
        server.prepare()
        with closing(sqlite3.connect(self.project.root / ".prefect" / "prefect.db")) as database:
            counts = {
                table: database.execute(UNFINISHED.format(table)).fetchone()[0]
                for table in ("flow_run", "task_run")
            }
        server.end()
        return [f"{count} of {table} run for ever" for table, count in counts.items() if count]

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

    def _run_and_kill(self, trial: WholeTrial, seconds: float) -> list[str]:
        self.way.start()
        deadline = time.monotonic() + trial.moment * seconds
        while time.monotonic() < deadline and self.way.status() is None:
            time.sleep(POLL_S)
        victims = self._victims(trial)
        if self.way.status() is not None or not victims:
            return [*self._end_of_run(), *self._orphans()]  # It was done by then.
        self._killed = f"{len(victims)} processes" if len(victims) > 1 else words(victims[0])
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)
        status = self._wait()
        faults = [] if status is not None else [f"after a kill of {self._killed} it hung: {self._tail()}"]
        if trial.victim == ONE and status not in (None, 0, -signal.SIGKILL):  # Who was killed says nothing.
            faults += self._said_why()
        return faults + self._orphans()

    def _victims(self, trial: WholeTrial) -> list[psutil.Process]:
        if trial.victim == RUN:
            return self.way.top()
        working = sorted(self._family(), key=lambda process: (words(process), process.pid))
        return working if trial.victim == ALL or not working else [working[int(trial.pick * len(working))]]

    def _said_why(self) -> list[str]:
        said = self.way.said()
        if "Traceback" in said:
            return [f"after a kill of {self._killed} it said a traceback: {self._tail()}"]
        if not any(line.startswith(("error: ", "ERROR: ")) or "rror: " in line for line in said.splitlines()):
            return [f"after a kill of {self._killed} it did not say why it ended: {self._tail()}"]
        return []

    def _end_of_run(self) -> list[str]:
        status = self._wait()
        if status:
            return [f"a run ended with status {status}: {self._tail()}"]
        return [] if status == 0 else [f"a run hung for {LIMIT_S} s: {self._tail()}"]

    def _wait(self) -> int | None:
        deadline = time.monotonic() + LIMIT_S
        while (status := self.way.status()) is None and time.monotonic() < deadline:
            self.way.bury()
            time.sleep(POLL_S)
        if status is None:
            for process in self._family():
                process.kill()
        return status

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
            self.way.bury()
            time.sleep(POLL_S)
        commands = [words(process) for process in left]
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return [f"outlived its run by {ORPHAN_S} s: {command}" for command in commands]

    def _results(self) -> dict[str, Any]:
        """What a run left: every file of data, what DVC holds for done, what MLflow and Prefect show."""
        root = self.project.root
        lock = root / "dvc.lock"
        stages = YAML(typ="safe").load(lock.read_text())["stages"] if lock.exists() else {}
        recorded = {name: hashlib.md5(repr(stage).encode()).hexdigest() for name, stage in stages.items()}
        files = self.project.content(("data",))
        tracked = {name: [str(row) for row in rows] for name, rows in self.project.tracked().items()}
        return {**files, **{f"dvc.lock {name}": digest for name, digest in recorded.items()}, **tracked}

    def _tail(self) -> str:
        return " | ".join(self.way.said().splitlines()[-6:])[-700:]


def _differences(there: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    faults = [f"{name} is missing" for name in sorted(wanted.keys() - there.keys())]
    faults += [f"{name} should not be there" for name in sorted(there.keys() - wanted.keys())]
    shared = sorted(wanted.keys() & there.keys())
    faults += [f"{name} differs" for name in shared if wanted[name] != there[name]]
    return faults[:8]


def make_whole(folder: Path, way: str, seed: int, count: int, record: Record, deadline: float) -> None:
    """All trials of a way until the time is over; then look what Prefect shows as at work."""
    runs, made = WholeRuns(folder / "whole", folder / "finished", way), 0
    for trial in [*undisturbed(way), *disturbed(way, seed, count)]:
        if trial.name in record.trials:
            continue
        if time.monotonic() > deadline:
            break
        # All ways are to leave the same results: those of the first null control.
        control = record.first("null/whole ", trial.start) or {}
        run_s = record.trials.get(f"null/whole {way}/{trial.start}", {}).get("run_s")
        record.add(runs.carry_out(trial, {**control, "run_s": run_s}))
        made += 1
    if made:
        faults = runs.runs_without_end()
        record.add(
            {
                "name": f"null/whole {way}/shown after {time.time():.0f}",
                "unit": f"whole {way}",
                "faults": faults,
                "killed": 0,
                "seconds": 0.0,
            }
        )
