"""The command live and its options."""

from pathlib import Path
from typing import Annotated

import typer

from flows.predict_command import Model, Step, Window

Source = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE | ADDRESS]",
        help="a file, replayed at its own pace, or an rtsp or http address  [default: camera and microphone]",
    ),
]
Camera = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help='as FFmpeg calls it, such as /dev/video1 or v4l2:/dev/video1; or "none"'
    ),
]
Microphone = Annotated[
    str | None, typer.Option(metavar="NAME", help='as FFmpeg calls it, such as alsa:hw:1; or "none"')
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="write the same tables, plots and DIR/report.html as predict at the end"
    ),
]
Page = Annotated[bool, typer.Option(help="also show picture and curves on a page on loopback")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, help="of the page  [default: a free one]")]


def live(
    source: Source = None,
    camera: Camera = None,
    microphone: Microphone = None,
    model: Model = None,
    out: Out = None,
    window: Window = 4.0,
    step: Step = 1.0,
    page: Page = True,
    port: Port = None,
) -> None:
    """Say what both arms and their fusion see while a camera, a file or an address goes on; Ctrl-C ends."""
    from flows.live import LiveOptions, run_live
    from flows.show_predictions import show_predictions

    run = run_live(LiveOptions(source, camera, microphone, model, out, window, step, page, port))
    if run:
        show_predictions(run, out)
