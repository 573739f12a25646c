"""The command app and its options."""

from pathlib import Path
from typing import Annotated

import typer

from flows.live_command import Port
from flows.predict_command import Model, Step, Window

Out = Annotated[
    Path | None, typer.Option(metavar="DIR", help="keep all results there  [default: until the program ends]")
]
MaxMb = Annotated[int, typer.Option(min=1, help="refuse larger recordings, megabytes")]


def recordings_app(
    model: Model = None,
    window: Window = 4.0,
    step: Step = 1.0,
    out: Out = None,
    max_mb: MaxMb = 4096,
    port: Port = None,
) -> None:
    """Open a page on loopback: drop recordings or use the camera, see and download what predict says."""
    from flows.app import run_app

    run_app(model, window, step, out, max_mb, port)
