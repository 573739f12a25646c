"""Kill runs at every point and at random times, start them again, and compare what they leave, byte for byte.

    python -m benchmarks.chaos FOLDER [--seed 0] [--random 1000] [--minutes 120] [--side-by-side 2]

FOLDER keeps the projects, the trials that were made (trials.jsonl) and the report (report.md, report.json);
the same command goes on where it stopped. Exit status 1 after any fault, and where a planted bug was not
found. Linux only.
"""

import argparse
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.chaos.driver import PHASES, Driver, Plan, side_by_side
from benchmarks.chaos.planted import PLANTS
from benchmarks.chaos.points import KINDS
from benchmarks.chaos.project import Project, units
from benchmarks.chaos.record import Record, version
from benchmarks.chaos.report import write_report
from benchmarks.chaos.trial import FORKED, Laboratory
from benchmarks.chaos.ways import WAYS
from benchmarks.chaos.whole import make_whole
from flows.environment import set_environment
from flows.fork_server import EVERY_STAGE, SOME_STAGES
from flows.servers import answers, free_port, prefect_server, running

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
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=KINDS, help="of points")
    parser.add_argument("--side-by-side", type=int, default=2, help="trials of stages at a time")
    parser.add_argument("--whole", type=int, default=30, help="kills of whole runs in each way")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=[*WAYS], help="of whole runs")
    options = parser.parse_args()
    deadline = time.monotonic() + 60 * options.minutes
    set_environment()
    os.environ.update(FORKED)  # Before torch is imported, which reads them then.
    folder = options.folder.absolute()
    roots = [folder / f"{number}" / "project" for number in range(options.side_by_side)]
    projects = [Project(root, folder / "finished") for root in roots]
    for project in projects:
        project.make()
    os.chdir(folder)  # not a project's: what works in one is a run
    record, now = Record(folder, version()), {*options.phases}
    if now & {"null", "point", "power", "fault", "random", "planted"}:
        _kill_stages(projects, options, record, deadline)
    if "whole" in now:
        ways = options.ways
        side_by_side(
            len(ways),
            lambda number: make_whole(folder, ways[number], options.seed, options.whole, record, deadline),
        )
    return write_report(Record(folder, version()).trials, options.seed, folder)


def _kill_stages(
    projects: list[Project], options: argparse.Namespace, record: Record, deadline: float
) -> None:
    """The trials of stages and of predict, against one Prefect server."""
    chosen = {name: unit for name, unit in units().items() if not options.units or name in options.units}
    plants = {bug: patch for bug, (patch, _, _) in PLANTS.items()}
    plan = Plan(chosen, options.seed, options.random, options.phases, options.kinds)
    with _server():
        for module in (*EVERY_STAGE, *SOME_STAGES, *PROGRAM):
            importlib.import_module(module)
        for part in (Driver.make_undisturbed, Driver.make_disturbed):
            record.begin()

            def work(number: int, part: Callable[[Driver], None] = part) -> None:
                projects[number].restore_all()
                part(Driver(Laboratory(projects[number], chosen, plants), plan, record, deadline))

            side_by_side(len(projects), work)


@contextmanager
def _server() -> Iterator[None]:
    """A Prefect server for all runs, in the present folder."""
    port = free_port()
    with running(*prefect_server(port)) as server:
        os.environ["PREFECT_API_URL"] = url = f"http://127.0.0.1:{port}/api"
        while not answers(f"{url}/health"):
            if server.poll() is not None:
                raise RuntimeError("Prefect's server did not start")
            time.sleep(0.2)
        yield


if __name__ == "__main__":
    sys.exit(main())
