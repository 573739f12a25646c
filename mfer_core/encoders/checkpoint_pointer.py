"""An encoder's folder holds either what the pipeline trained or the name of a published checkpoint."""

from pathlib import Path
from typing import NamedTuple

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json, write_json

POINTER = "published.json"
ALL_LAYERS = "all"


class Source(NamedTuple):
    """What is loaded as an encoder."""

    checkpoint: str  # hub id or folder
    revision: str | None = None
    # The block whose output is taken, from 1; None: the last; ALL_LAYERS: all of them, one after the other.
    layer: int | str | None = None
    hash: str | None = None  # what its weights and configuration must have; None: any


def parse_source(text: str) -> Source:
    """Read ``CHECKPOINT[@REVISION][#LAYER]``. Raises MferError for a layer that is neither a number from 1
    nor "all".
    """
    named, _, layer = text.partition("#")
    checkpoint, _, revision = named.partition("@")
    number = int(layer) if layer.isascii() and layer.isdigit() else 0
    if not checkpoint or (layer and not number and layer != ALL_LAYERS):
        raise MferError(
            f"{text!r} names no encoder: write CHECKPOINT, CHECKPOINT@REVISION or CHECKPOINT#LAYER"
        )
    return Source(checkpoint, revision or None, number or layer or None)


def name_published(folder: Path, source: Source) -> None:
    """Make ``folder`` stand for a published checkpoint."""
    write_json(folder / POINTER, source._asdict())


def source_of(folder: Path) -> Source:
    """What to load for an encoder's folder."""
    return Source(**read_json(folder / POINTER)) if (folder / POINTER).exists() else Source(str(folder))
