"""Kill runs at every point and at random times, start them again, and compare what they leave, byte for byte.

    python -m benchmarks.chaos FOLDER [--seed 0] [--random 1000] [--minutes 120]

FOLDER keeps the project, the trials that were made (trials.jsonl) and the report (report.md, report.json);
the same command goes on where it stopped. Exit status 1 after any fault, and where a planted bug was not
found. Linux only.
"""

import argparse
import importlib
import json
import os
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.chaos import plan
from benchmarks.chaos.planted import PLANTS
from benchmarks.chaos.project import Project, Unit, units
from benchmarks.chaos.report import write_report
from benchmarks.chaos.trial import Laboratory, Trial, adopt_orphans
from flows.environment import set_environment
from flows.fork_server import EVERY_STAGE, SOME_STAGES
from flows.servers import answers, free_port, prefect_server, running

PHASES = ("null", "point", "power", "fault", "random", "planted")
PROGRAM = (
    *(
        "flows.stages",
        "flows.commands",
        "flows.predict",
        "mfer_core.prediction.batch",
        "demo.clips",
        "demo.faces",
    ),
    *("tasks.train", "tasks.embed", "tasks.evaluate", "tasks.extract", "tasks.folds", "tasks.ingest"),
    *("tasks.pool", "tasks.pretrain", "tasks.register", "tasks.demo", "mfer_core.media.clip"),
)


class Record:
    """The trials that were made, in a file of a line each."""

    def __init__(self, path: Path):
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.trials = {entry["name"]: entry for entry in map(json.loads, lines)}

    def add(self, entry: dict) -> None:
        self.trials[entry["name"]] = entry
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")


class Driver:
    """Makes trials until the time is over."""

    def __init__(self, laboratory: Laboratory, record: Record, deadline: float):
        self.laboratory, self.record, self.deadline = laboratory, record, deadline

    def one(self, trial: Trial) -> dict | None:
        """A trial's entry, made or looked up; None when the time is over."""
        if trial.name not in self.record.trials:
            if time.monotonic() > self.deadline:
                return None
            outcome = self.laboratory.carry_out(trial)
            self.record.add({**asdict(trial), **asdict(outcome)})
            if outcome.faults and not trial.plant:
                print(f"{trial.name}: {'; '.join(outcome.faults)}", flush=True)
        return self.record.trials[trial.name]

    def find(self, bug: str, counts: dict, seconds: dict, seed: int) -> None:
        """Trials with a planted bug until one of them shows it."""
        for number, trial in enumerate(plan.with_bug(bug, counts, seconds, seed)):
            entry = self.one(trial)
            if entry is None or entry["faults"]:
                if entry:
                    print(
                        f"planted: {bug}: found with seed {seed} in trial {number + 1}: {entry['faults'][0]}",
                        flush=True,
                    )
                return
        print(f"planted: {bug}: NOT found in {plan.TRIES} trials", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--random", type=int, default=1000, help="trials with kills at random times")
    parser.add_argument("--minutes", type=float, default=240, help="no trial starts later than this")
    parser.add_argument("--units", nargs="*", help="only these stages (default: all, and predict)")
    parser.add_argument("--phases", nargs="*", choices=PHASES, default=PHASES)
    options = parser.parse_args()
    deadline = time.monotonic() + 60 * options.minutes
    set_environment()
    folder = options.folder.absolute()
    project = Project(folder)
    project.make()
    adopt_orphans()
    os.chdir(folder)
    port = free_port()
    with running(*prefect_server(port)) as server:
        os.environ["PREFECT_API_URL"] = url = f"http://127.0.0.1:{port}/api"
        while not answers(f"{url}/health"):
            if server.poll() is not None:
                raise RuntimeError("Prefect's server did not start")
            time.sleep(0.2)
        for module in (*EVERY_STAGE, *SOME_STAGES, *PROGRAM):
            importlib.import_module(module)
        chosen = {name: unit for name, unit in units().items() if not options.units or name in options.units}
        plants = {bug: patch for bug, (patch, _, _) in PLANTS.items()}
        record = Record(folder / "trials.jsonl")
        driver = Driver(Laboratory(project, chosen, plants), record, deadline)
        _make_all(driver, chosen, options)
    return write_report(record.trials, options.seed, folder)


def _make_all(driver: Driver, chosen: dict[str, Unit], options: argparse.Namespace) -> None:
    """Every phase, in order; the null control is always there, since it counts the points and the seconds."""
    driver.laboratory.project.restore_all()
    laboratory = driver.laboratory
    for trial in plan.undisturbed(chosen, 2):
        if entry := driver.one(trial):
            laboratory.expected.setdefault(trial.unit, entry["tracked"])
    null = {name: driver.record.trials.get(f"null/{name}/1") for name in chosen}
    counts = {name: entry["points"] for name, entry in null.items() if entry}
    seconds = {name: entry["seconds"] for name, entry in null.items() if entry}
    if "planted" in options.phases:
        for bug, (_, unit, _) in PLANTS.items():
            if unit in counts:
                driver.find(bug, counts, seconds, options.seed)
    trials = {
        "point": plan.enumerated(counts, seconds, options.seed),
        "power": plan.without_power(counts, seconds, chosen, options.seed),
        "fault": plan.with_faults(counts, options.seed),
        "random": plan.at_random(seconds, chosen, options.seed, options.random),
    }
    mixed = [trial for phase in trials if phase in options.phases for trial in trials[phase]]
    random.Random(options.seed).shuffle(mixed)  # Whenever the time is over, all kinds and runs had theirs.
    for trial in mixed:
        driver.one(trial)


if __name__ == "__main__":
    sys.exit(main())
