"""The commands beside the stages: check, profile, mfer, show."""

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

from flows.check import check_project
from mfer_core.settings import load_settings


def check() -> None:
    """say whether params.yaml and the corpora's folders are in order"""
    settings = check_project()
    print(f"params.yaml is in order: profile {settings.profile}, {len(settings.corpora)} corpora, arms {', '.join(settings.arms)}")


def profile(name: str) -> None:
    """rewrite params.yaml as one of profiles/"""
    from flows.profiles import write_profile

    write_profile(name, Path("params.yaml"))
    check()


def mfer(force: bool) -> None:
    """bring everything up to date, as the deployment mfer/full-pipeline does"""
    from flows.stage import run_stage

    run_stage("mfer", force=force)


def show() -> None:
    """print the results, every stage's seconds and where to look"""
    from flows.show import show_results

    show_results(load_settings())


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
    "mfer": _add(mfer, ("--force", {"action": "store_true", "help": "run every stage again"})),
    "show": _add(show),
}
