"""The command line: the stages of dvc.yaml, and the commands beside them, each a function whose docstring is
its help.

What a command needs is imported inside it, so that `--help` and completion answer at once.
"""

import os
import subprocess
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer

from flows.app_command import recordings_app
from flows.clean import clean
from flows.encoder_commands import calibrate, compare, lock_encoders
from flows.environment import VERBOSE
from flows.export_command import export, service
from flows.live_command import live
from flows.pipeline import PROJECT, Stage, let_dvc_do_without_git, project_file, stages
from flows.predict_command import predict
from mfer_core.base.errors import MferError
from mfer_core.base.paths import DataPaths

CORPUS = "a key of `corpora` in params.yaml"
UP_TO_DATE = "Data and pipelines are up to date."  # The words of DVC.
STOPPED = "stopped; the next run goes on where this one ended"
Port = typer.Option(min=1, max=65535, show_default=True)

app = typer.Typer(
    help="Run one stage of the pipeline, or one of its commands.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mfer {installed_version('mfer')}{_commit()}")
        raise typer.Exit


def _commit() -> str:
    """Such as " (commit 1a2b3c4)", where this code is a checkout and git is there to ask."""
    try:
        command = ["git", "-C", str(PROJECT), "describe", "--always", "--dirty=+", "--exclude=*"]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    in_checkout = (PROJECT / ".git").exists() and asked.returncode == 0
    return f" (commit {asked.stdout.strip()})" if in_checkout else ""


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print version and commit.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="A line for every clip: accepted, rejected, what was seen.")
    ] = False,
) -> None:
    """Run one stage of the pipeline, or one of its commands."""
    if verbose:
        os.environ[VERBOSE] = "1"


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="a new folder, or an empty one")] = Path(),
) -> None:
    """Lay out a project in a folder: settings, profiles, pipeline; its code is the installed package's."""
    from flows.project import initialise

    initialise(folder)
    print(f"a project is in {folder.absolute()}: `mfer mfer` there runs the whole pipeline on the default")


@app.command()
def check(
    deep: Annotated[bool, typer.Option("--deep", help="also hash all data and models anew")] = False,
) -> None:
    """Say all that is wrong in params.yaml or missing: folders, checkpoints, devices."""
    from flows.check import check_project, remarks
    from flows.project import record_code
    from tasks.dvc_locks import forget_the_dead

    let_dvc_do_without_git()
    record_code()
    forget_the_dead()
    settings = check_project()
    if deep:
        from flows.deep_check import check_content

        check_content(settings)
        print("data, recordings and registered models are byte for byte what was recorded")
    corpora, arms = len(settings.corpora), ", ".join(settings.arms)
    for remark in remarks(settings):
        print(f"note: {remark}")
    print(f"params.yaml is in order: profile {settings.profile}, {corpora} corpora, arms {arms}")


@app.command()
def plan(
    profile: Annotated[
        str | None, typer.Option(help="one of profiles/ in place of params.yaml, which stays as it is")
    ] = None,
) -> None:
    """Say what a run will do, need and take on this machine, and all that is missing; exit status 1: it could
    not start.
    """
    from flows.plan import plan as print_plan
    from flows.profiles import check_name

    if profile:
        check_name(profile)
    raise typer.Exit(print_plan(profile))


@app.command()
def profile(name: Annotated[str, typer.Argument(help="file name in profiles/, without .yaml")]) -> None:
    """Rewrite params.yaml as one of profiles/."""
    from flows.profiles import write_profile

    write_profile(name, Path("params.yaml"))
    check()


@app.command()
def mfer(
    profile: Annotated[
        str | None, typer.Option(help="switch params.yaml to this one of profiles/ first")
    ] = None,
    stages: Annotated[
        list[str] | None, typer.Option(help="only this one, and what it depends on; may be repeated")
    ] = None,
    start_from: Annotated[str | None, typer.Option(help="this stage and everything after it")] = None,
    corpora: Annotated[
        list[str] | None, typer.Option(help="per-corpus stages for this one only; may be repeated")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="run the chosen stages even when nothing changed")
    ] = False,
) -> None:
    """Bring everything up to date, as the deployment mfer/full-pipeline does."""
    from flows.check import check_project
    from flows.pipeline import known, targets
    from flows.profiles import check_name
    from flows.project import record_code
    from mfer_core.base.settings import load_settings
    from tasks.dvc_locks import forget_the_dead
    from tasks.dvc_plan import is_up_to_date

    # A wrong name is refused before anything starts, and Prefect is not started for nothing.
    chosen = known([start_from] if start_from else stages or [])
    if profile:
        check_name(profile)
    else:
        settings = load_settings()
        aims = targets(chosen, corpora or [], settings)
        let_dvc_do_without_git()
        record_code()
        forget_the_dead()
        if not force and is_up_to_date(settings, aims, downstream=start_from is not None):
            print(UP_TO_DATE)
            return
        check_project(may_fetch=True)
    from flows.run import run_flow

    run_flow("mfer", profile=profile, stages=stages, start_from=start_from, corpora=corpora, force=force)


@app.command()
def settings() -> None:
    """Write docs/reference_settings.md and docs/reference_commands.md, which explain every setting and every
    command.
    """
    from mfer_core.base.settings.reference import reference_page

    pages = {"reference_settings.md": reference_page(), "reference_commands.md": commands_page()}
    for name, text in pages.items():
        (PROJECT / "docs" / name).write_text(text, encoding="utf-8")
        print(PROJECT / "docs" / name)


def commands_page() -> str:
    """Every command with its options, as typer writes it down."""
    words = ["typer", "flows.commands", "utils", "docs", "--name", "mfer", "--title", "All commands"]
    written = subprocess.run([sys.executable, "-m", *words], cwd=PROJECT, capture_output=True, check=True)
    return written.stdout.decode()


@app.command()
def fetch(corpus: Annotated[str, typer.Argument(help=CORPUS)]) -> None:
    """Download a corpus that is openly available to its `path`; goes on where it stopped."""
    from flows.run import run_flow
    from mfer_core.base.settings import load_settings

    if load_settings().corpus(corpus).source == "demo":
        raise MferError(
            f"{corpus} is synthetic in these settings: "
            f"give it source: fetch and a path of its own, such as data/raw/{corpus}"
        )
    run_flow("fetch", corpus=corpus)


@app.command()
def show() -> None:
    """Print the results, every stage's seconds and where to look."""
    from flows.show import show_results
    from mfer_core.base.settings import load_settings

    show_results(load_settings())


@app.command()
def track() -> None:
    """Log to MLflow whatever of the results it does not hold yet."""
    from flows.track import track_results
    from mfer_core.base.settings import load_settings

    track_results(DataPaths(), load_settings())


for _verb in (predict, live, recordings_app, export, service, calibrate, compare, lock_encoders, clean):
    app.command("app" if _verb is recordings_app else None)(_verb)


@app.command()
def inspect(
    clip_id: Annotated[str, typer.Argument(help="as in the manifest: <corpus>/<stem>")],
    out: Annotated[Path, typer.Option(help="PNG to write")] = Path("clip.png"),
) -> None:
    """Draw a clip's faces, waveform and speech segments as a PNG."""
    from mfer_core.media.inspect import inspect_clip

    inspect_clip(DataPaths().extract(clip_id.split("/")[0]), clip_id, out)
    print(out)


@app.command()
def ui(port: Annotated[int, Port] = 5000, prefect_port: Annotated[int, Port] = 4200) -> None:
    """Start MLflow's and Prefect's pages on loopback."""
    from flows.servers import serve_ui
    from mfer_core.base.settings import load_settings

    serve_ui(load_settings().tracking, port, prefect_port)


@app.command()
def serve(port: Annotated[int, Port] = 4200) -> None:
    """Start a Prefect server and a worker for the deployment mfer/full-pipeline on loopback."""
    from flows.servers import serve_prefect

    serve_prefect(port)


@app.command()
def worker(
    address: Annotated[str, typer.Argument(help="of the scheduler: tcp://HOST:8786")],
    workers: Annotated[int, typer.Option(min=1, help="worker processes of one thread each")] = 1,
) -> None:
    """Start Dask workers for a running `dask scheduler`, in the project's folder."""
    from flows.servers import serve_dask_worker

    serve_dask_worker(address, workers)


def _add_stage(stage: Stage) -> None:
    """The command of a stage; a corpus that the stage does not run for is refused before anything starts."""

    def run_for_corpus(corpus: Annotated[str, typer.Option(help=CORPUS)]) -> None:
        from flows.run import run_flow
        from mfer_core.base.settings import load_settings

        stage.check_corpus(corpus, load_settings())
        run_flow(stage.name, corpus=corpus)

    def run() -> None:
        from flows.run import run_flow
        from mfer_core.base.settings import load_settings

        load_settings()
        run_flow(stage.name)

    app.command(stage.name, help=f"Stage: {stage.summary}.")(run_for_corpus if stage.per_corpus else run)


for _stage in stages(project_file("dvc.yaml")).values():
    _add_stage(_stage)
for _command in app.registered_commands:
    _command.short_help = _command.help or _command.callback.__doc__  # whole, where click would cut it
