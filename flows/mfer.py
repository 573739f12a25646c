"""The parent flow `mfer`: the stages of DVC's graph as tasks, side by side where none waits for the other.

DVC alone decides what is out of date; Prefect runs it, and shows the run tree, the logs and the artifacts.
"""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import psutil
from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from pydantic import Field

from flows.check import check_project, unfetched
from flows.ending import is_served, served
from flows.environment import set_environment
from flows.fork_client import ensure_fork_server
from flows.pipeline import known, let_dvc_do_without_git, project_file, targets
from flows.pipeline import stages as listed
from flows.profiles import names, switch_profile
from flows.project import record_code
from flows.seconds import recorded_seconds, schedule_table
from mfer_core.base.errors import MferError
from mfer_core.base.settings import load_settings
from tasks.dvc_locks import forget_the_dead
from tasks.fault_lines import shorten_faults
from tasks.processes import mark, wait_for_earlier
from tasks.reproduce import reproduce

# Prefect's form offers the choices, and its server refuses others; so does this flow, in one line, where no
# server does.
Stage = Annotated[str, Field(json_schema_extra={"enum": list(listed(project_file("dvc.yaml")))})]
Profile = Annotated[str, Field(json_schema_extra={"enum": names(project_file("profiles"))})]


@flow(name="mfer", flow_run_name="mfer")
def mfer(
    profile: Profile | None = None,
    stages: list[Stage] | None = None,
    start_from: Stage | None = None,
    corpora: list[str] | None = None,
    force: bool = False,
) -> None:
    """Bring the pipeline up to date, as `dvc repro` does: what did not change is skipped.

    Args:
        profile: Switch params.yaml to this profile first, and leave it so. Refused when params.yaml holds
        edits that no
            profile has. Empty: params.yaml as it is.
        stages: Only these stages, and what they depend on. Empty: all.
        start_from: This stage and everything after it, and nothing before. Not together with stages.
        corpora: Keys of corpora in params.yaml. Stages per corpus (such as ingest and extract) run for
        these only.
        force: Run the chosen stages even when nothing changed; with stages, what they depend on too.
    """
    # A worker loads this file as a module of its own, which a stage's process does not have: what the flow
    # calls here is imported, or a flow itself.
    set_environment()
    shorten_faults(is_served())
    parameters = {"stages": stages, "start_from": start_from, "corpora": corpora, "force": force}
    with served("mfer", parameters) if is_served() else nullcontext():
        if stages and start_from:
            raise MferError(
                "stages and start_from exclude each other: name the stages to run, or the one to start from"
            )
        chosen = known([start_from] if start_from else stages or [])
        let_dvc_do_without_git()
        record_code()
        mark(psutil.Process())
        wait_for_earlier(get_run_logger().info)
        forget_the_dead()
        if profile:
            switch_profile(profile, Path("params.yaml"))
        settings = check_project(may_fetch=True)
        for corpus in unfetched(settings.corpora):
            fetch(corpus)
        aims = targets(chosen, corpora or [], settings)
        ensure_fork_server()
        ran, skipped = reproduce(settings, aims, force, downstream=start_from is not None)
        if ran:
            schedule = schedule_table(recorded_seconds())
            create_markdown_artifact(key="schedule", markdown=schedule, description="when each stage ran")
        get_run_logger().info(f"{len(ran)} stages ran, {len(skipped)} were up to date")


@flow(name="fetch", flow_run_name="fetch {corpus}")
def fetch(corpus: str) -> None:
    """Download a corpus that is openly available to where the settings say it is; goes on where it
    stopped.
    """
    from tasks.fetch import download_corpus  # A stage that joins a run of `mfer` loads this module.

    source = load_settings().corpus(corpus)
    files = download_corpus(source.adapter, source.path)
    get_run_logger().info(f"fetch {corpus}: {files} files came into {source.path}")
