"""The commands that hand a model on, and their options: export and service."""

from pathlib import Path
from typing import Annotated

import typer

from flows.predict_command import Model

Trained = Annotated[
    str | None,
    typer.Option(help="a model's folder, or models:/mfer@champion  [default: data/register/model]"),
]
Graphs = Annotated[bool, typer.Option("--onnx", help="also the arms and their fusion as ONNX graphs")]
Host = Annotated[str, typer.Option(help="0.0.0.0 lets other machines in; nobody is asked for a password")]
ServicePort = Annotated[int, typer.Option(min=1, max=65535)]
MaxMb = Annotated[int, typer.Option(min=1, help="refuse larger recordings, megabytes")]


def export(
    folder: Annotated[Path, typer.Argument(help="a new folder, or an empty one")],
    model: Trained = None,
    onnx: Graphs = False,
) -> None:
    """Write a trained model as a repository of Hugging Face's hub, without code and pickles."""
    from flows.export import export_model

    export_model(model, folder, onnx)
    print(f"{folder} holds the model: mfer predict RECORDING --model {folder}")


def service(
    model: Model = None, host: Host = "127.0.0.1", port: ServicePort = 8000, max_mb: MaxMb = 1024
) -> None:
    """Serve a model over HTTP for other programs, described at /openapi.json."""
    from flows.service import run_service

    run_service(model, host, port, max_mb)
