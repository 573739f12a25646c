"""The commands beside the stages, each a function whose docstring is its help."""

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.check import check_project, unfetched
from mfer_core.base.errors import MferError
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import load_settings

MODEL = "data/register/model"


def check() -> None:
    """say whether params.yaml and the corpora's folders are in order"""
    settings = check_project()
    if missing := unfetched():
        raise MferError(f"not fetched yet: {', '.join(missing)}: run `python -m flows fetch {missing[0]}`")
    print(
        f"params.yaml is in order: profile {settings.profile}, {len(settings.corpora)} corpora, arms {', '.join(settings.arms)}"
    )


def profile(name: str) -> None:
    """rewrite params.yaml as one of profiles/"""
    from flows.profiles import write_profile

    write_profile(name, Path("params.yaml"))
    check()


def mfer(**parameters: Any) -> None:
    """bring everything up to date, as the deployment mfer/full-pipeline does"""
    from flows.stage import run_stage

    run_stage("mfer", **parameters)


def fetch(corpus: str) -> None:
    """download a corpus that is openly available to its `path`; goes on where it stopped"""
    from flows.stage import run_stage

    if load_settings().corpus(corpus).source == "demo":
        raise MferError(
            f"{corpus} is synthetic in these settings: give it source: fetch and a path of its own, such as data/raw/{corpus}"
        )
    run_stage("fetch", corpus=corpus)


def show() -> None:
    """print the results, every stage's seconds and where to look"""
    from flows.show import show_results

    show_results(load_settings())


def track() -> None:
    """log to MLflow whatever of the results it does not hold yet"""
    from flows.track import track_results

    track_results(DataPaths(), load_settings())


def predict(paths: list[Path], model: str, out: Path | None, window: float, step: float) -> int:
    """say what both arms and their fusion see in media files; exit status 0: all predicted, 1: none, 2: some rejected"""
    from flows.predict import predict_media
    from flows.show import show_predictions

    run, status = predict_media(paths, model, window, step, out)
    show_predictions(run, out)
    return status


def inspect(clip_id: str, out: Path) -> None:
    """draw a clip's faces, waveform and speech segments as a PNG"""
    from mfer_core.media.inspect import inspect_clip

    inspect_clip(Path("data/extract"), clip_id.split("/")[0], clip_id, out)
    print(out)


def ui(port: int, prefect_port: int) -> None:
    """start MLflow's and Prefect's pages on loopback"""
    from flows.servers import serve_ui

    serve_ui(load_settings().tracking, port, prefect_port)


def serve(port: int) -> None:
    """start a Prefect server and a worker for the deployment mfer/full-pipeline on loopback"""
    from flows.servers import serve_prefect

    serve_prefect(port)


def worker(address: str, workers: int) -> None:
    """start Dask workers for a running `dask scheduler`, in the project's folder"""
    from flows.servers import serve_dask_worker

    serve_dask_worker(address, workers)


def summary(name: str) -> str:
    """The one-line description of a command."""
    return globals()[name].__doc__


def _add(run: Callable, *arguments: tuple[str, dict]) -> Callable[[ArgumentParser], None]:
    def add(parser: ArgumentParser) -> None:
        parser.set_defaults(run=run)
        for flag, options in arguments:
            parser.add_argument(flag, **options)

    return add


COMMANDS = {
    "check": _add(check),
    "profile": _add(profile, ("name", {"help": "file name in profiles/, without .yaml"})),
    "mfer": _add(
        mfer,
        ("--profile", {"help": "switch params.yaml to this one of profiles/ first"}),
        ("--stages", {"nargs": "+", "metavar": "STAGE", "help": "only these, and what they depend on"}),
        ("--start-from", {"metavar": "STAGE", "help": "this stage and everything after it"}),
        ("--corpora", {"nargs": "+", "metavar": "NAME", "help": "per-corpus stages for these only"}),
        ("--force", {"action": "store_true", "help": "run the chosen stages even when nothing changed"}),
    ),
    "fetch": _add(fetch, ("corpus", {"help": "a key of `corpora` in params.yaml"})),
    "show": _add(show),
    "predict": _add(
        predict,
        (
            "paths",
            {
                "nargs": "+",
                "type": Path,
                "metavar": "PATH",
                "help": "video or audio files, and folders of them",
            },
        ),
        (
            "--model",
            {
                "default": MODEL,
                "help": f"a model's folder (default {MODEL}), or in the MLflow registry: models:/mfer@champion",
            },
        ),
        ("--out", {"type": Path, "metavar": "DIR", "help": "also write tables, plots and DIR/report.html"}),
        ("--window", {"type": float, "default": 4.0, "help": "of the timeline, seconds (default 4)"}),
        ("--step", {"type": float, "default": 1.0, "help": "between two windows, seconds (default 1)"}),
    ),
    "inspect": _add(
        inspect,
        ("clip_id", {"help": "as in the manifest: <corpus>/<stem>"}),
        ("--out", {"type": Path, "default": Path("clip.png"), "help": "PNG to write"}),
    ),
    "track": _add(track),
    "ui": _add(
        ui, ("--port", {"type": int, "default": 5000}), ("--prefect-port", {"type": int, "default": 4200})
    ),
    "worker": _add(
        worker,
        ("address", {"help": "of the scheduler: tcp://HOST:8786"}),
        ("--workers", {"type": int, "default": 1, "help": "worker processes of one thread each (default 1)"}),
    ),
    "serve": _add(serve, ("--port", {"type": int, "default": 4200})),
}
