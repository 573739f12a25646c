"""The parent flow `mfer`: one `dvc repro` whose stages join this run as subflows.

DVC alone decides what is out of date; Prefect shows the run tree, the logs and the artifacts.
"""

from prefect import flow, get_run_logger

from flows.check import check_project, unfetched
from flows.fetch import fetch
from flows.quiet import quiet
from tasks.reproduce import reproduce


@flow(name="mfer", flow_run_name="mfer")
def mfer(stages: list[str] | None = None, force: bool = False) -> None:
    """Bring ``stages`` (default: all) up to date; ``force`` runs them even when nothing changed."""
    quiet()
    for corpus in unfetched():
        fetch(corpus)
    check_project()
    ran, skipped = reproduce(stages or [], force)
    get_run_logger().info(f"{len(ran)} stages ran, {len(skipped)} were up to date")
