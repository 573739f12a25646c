"""What a whole run has left, how much of it is done, and what Prefect shows of it."""

import hashlib
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from benchmarks.chaos.project import Project

LOCK = "dvc.lock "  # begins the name of what DVC holds for done of a stage
UNFINISHED = (
    "SELECT count(*) FROM {0} WHERE state_type NOT IN ('COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED')"
)


def results(project: Project) -> dict[str, Any]:
    """Every file of data, what DVC holds for done, what MLflow shows."""
    tracked = {name: [str(row) for row in rows] for name, rows in project.tracked().items()}
    return {**project.content(("data",)), **recorded(project), **tracked}


def recorded(project: Project) -> dict[str, str]:
    """A digest of what DVC holds for done of each stage; empty while DVC writes it."""
    lock = project.root / "dvc.lock"
    try:
        stages = (YAML(typ="safe").load(lock.read_text()) or {}).get("stages", {})
    except (FileNotFoundError, YAMLError):
        return {}
    return {f"{LOCK}{name}": hashlib.md5(repr(stage).encode()).hexdigest() for name, stage in stages.items()}


def differences(there: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """How what a run left differs from what it should have left, in words; eight of them at most."""
    faults = [f"{name} is missing" for name in sorted(wanted.keys() - there.keys())]
    faults += [f"{name} should not be there" for name in sorted(there.keys() - wanted.keys())]
    shared = sorted(wanted.keys() & there.keys())
    faults += [f"{name} differs" for name in shared if wanted[name] != there[name]]
    return faults[:8]


def shown_at_work(project: Project) -> list[str]:
    """Runs that Prefect's database shows as at work or waiting, in words."""
    with closing(sqlite3.connect(project.root / ".prefect" / "prefect.db")) as database:
        counts = {
            table: database.execute(UNFINISHED.format(table)).fetchone()[0]
            for table in ("flow_run", "task_run")
        }
    return [f"{count} of {table} run for ever" for table, count in counts.items() if count]


class Progress:
    """How much of what was to do when it was made is done by now."""

    def __init__(self, project: Project, wanted: dict[str, Any]):
        self._project = project
        self._wanted = {name: digest for name, digest in wanted.items() if name.startswith(LOCK)}
        self._changed, self._share = 0, 0.0
        self._all = self._missing()

    def share(self) -> float:
        """The share of the stages that DVC holds for done, from 0 to 1."""
        lock = self._project.root / "dvc.lock"
        changed = lock.stat().st_mtime_ns if lock.exists() else 0
        if changed != self._changed:  # Reading it takes a tenth of a second.
            self._changed = changed
            self._share = max(self._share, 1 - self._missing() / max(self._all, 1))
        return self._share

    def come(self, share: float, seconds: float) -> Callable[[], bool]:
        """Whether so many seconds have gone by since a share was done; to be asked again and again."""
        there: float | None = None

        def is_due() -> bool:
            nonlocal there
            if there is None and self.share() >= share:
                there = time.monotonic()
            return there is not None and time.monotonic() >= there + seconds

        return is_due

    def _missing(self) -> int:
        there = recorded(self._project)
        return sum(there.get(name) != digest for name, digest in self._wanted.items())
