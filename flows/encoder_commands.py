"""The commands about encoders, and their options."""

from typing import Annotated

import typer


def compare(
    encoders: Annotated[list[str], typer.Argument(metavar="CHECKPOINT[@REVISION][#LAYER]...")],
    protocol: Annotated[str | None, typer.Option(help="whose folds (default: register.protocol)")] = None,
) -> None:
    """Put speech encoders beside the settings' own on the same folds: a probe and the audio arm of each."""
    from flows.compare import compare_encoders, print_tables
    from mfer_core.base.settings import load_settings

    print_tables(compare_encoders(encoders, protocol, load_settings()))


def lock_encoders() -> None:
    """Write revision and hash of the published encoders here into params.yaml; a run then refuses others."""
    from flows.lock_encoders import lock_settings

    for line in lock_settings():
        print(line)
