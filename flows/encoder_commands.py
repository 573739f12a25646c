"""The commands about encoders, and their options."""

from typing import Annotated

import typer

from mfer_core.base.modalities import Modality


def compare(
    encoders: Annotated[list[str], typer.Argument(metavar="CHECKPOINT[@REVISION][#LAYER]...")],
    modality: Annotated[Modality, typer.Option(help="what the encoders read: sound or pictures")] = "audio",
    protocol: Annotated[str | None, typer.Option(help="whose folds (default: register.protocol)")] = None,
) -> None:
    """Put encoders of speech or pictures beside the settings' own on the same folds: a probe and an arm of
    each.
    """
    from flows.compare import compare_encoders, print_tables
    from mfer_core.base.settings import load_settings

    print_tables(compare_encoders(encoders, protocol, load_settings(), modality))


def lock_encoders() -> None:
    """Write revision and hash of the published encoders here into params.yaml; a run then refuses others."""
    from flows.lock_encoders import lock_settings

    for line in lock_settings():
        print(line)


def calibrate(
    corpus: Annotated[str, typer.Argument(help="a key of `corpora` in params.yaml, ingested")],
    clips: Annotated[int, typer.Option(min=1, help="at most so many recordings, drawn by seed")] = 300,
) -> None:
    """Fit the published heads' temperatures on labelled recordings, and write them into params.yaml."""
    from flows.calibrate import calibrate_heads
    from flows.compare import print_table
    from mfer_core.base.settings import load_settings

    table, notes = calibrate_heads(corpus, clips, load_settings())
    print_table(table)
    print(*notes, sep="\n")
