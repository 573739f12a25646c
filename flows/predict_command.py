"""The command predict and its options."""

from pathlib import Path
from typing import Annotated

import typer

Media = Annotated[
    list[Path], typer.Argument(metavar="PATH...", help="video or audio files, and folders of them")
]
Model = Annotated[
    str | None,
    typer.Option(
        help="a model's folder, OWNER/NAME[@REVISION] on Hugging Face's hub, models:/mfer@champion of the "
        "MLflow registry, or published: the heads of published encoders  [default: data/register/model, "
        "where it is there, else published]"
    ),
]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="also write tables, plots and DIR/report.html")]
Window = Annotated[float, typer.Option(help="of the timeline, seconds")]
Step = Annotated[float, typer.Option(help="between two windows, seconds")]
MaxMinutes = Annotated[
    float | None, typer.Option(help="refuse longer recordings (default: predict.max_minutes of params.yaml)")
]
ImageEncoder = Annotated[
    str | None,
    typer.Option(help="published ViT classifier, hub id or folder (default: predict.image_encoder)"),
]
SpeechEncoder = Annotated[
    str | None, typer.Option(help="published emotion2vec, hub id or folder (default: predict.speech_encoder)")
]
Baseline = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="a calm recording of the same person, which is to read as neutral"),
]
BaselineFirst = Annotated[
    float | None, typer.Option(help="in its place the first so many seconds of each recording")
]
VoiceEncoder = Annotated[
    str | None,
    typer.Option(
        help="CAM++ that tells speakers apart, hub id or folder (default: predict.voice_encoder, if it is on "
        "this machine)"
    ),
]


def predict(
    paths: Media,
    model: Model = None,
    out: Out = None,
    window: Window = 4.0,
    step: Step = 1.0,
    max_minutes: MaxMinutes = None,
    image_encoder: ImageEncoder = None,
    speech_encoder: SpeechEncoder = None,
    baseline: Baseline = None,
    baseline_first: BaselineFirst = None,
    voice_encoder: VoiceEncoder = None,
) -> None:
    """Say what both arms and their fusion see in media files; exit status 0: all predicted, 1: none, 2: some
    rejected.
    """
    from flows.predict import predict_media
    from flows.show_predictions import show_predictions

    run, status = predict_media(
        paths,
        model,
        window,
        step,
        out,
        max_minutes=max_minutes,
        image_encoder=image_encoder,
        speech_encoder=speech_encoder,
        voice_encoder=voice_encoder,
        baseline=baseline,
        baseline_first=baseline_first,
    )
    show_predictions(run, out)
    raise typer.Exit(status)
