"""An encoder's folder holds either what the pipeline trained or the name of a published checkpoint."""

from pathlib import Path
from typing import NamedTuple

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json, write_json

POINTER = "published.json"


class Source(NamedTuple):
    """What is loaded as an encoder."""

    checkpoint: str  # hub id or folder
    revision: str | None = None
    layer: int | None = None  # the block whose output is taken, from 1; None: the last
    hash: str | None = None  # what its weights and configuration must have; None: any


def parse_source(text: str) -> Source:
    """Read ``CHECKPOINT[@REVISION][#LAYER]``. Raises MferError for a layer that is no number from 1."""
    named, _, layer = text.partition("#")
    checkpoint, _, revision = named.partition("@")
    if not checkpoint or (layer and not (layer.isascii() and layer.isdigit() and int(layer))):
        raise MferError(
            f"{text!r} names no encoder: write CHECKPOINT, CHECKPOINT@REVISION or CHECKPOINT#LAYER"
        )
    return Source(checkpoint, revision or None, int(layer) if layer else None)


def name_published(folder: Path, source: Source) -> None:
    """Make ``folder`` stand for a published checkpoint."""
    write_json(folder / POINTER, source._asdict())


def source_of(folder: Path) -> Source:
    """What to load for an encoder's folder."""
    return Source(**read_json(folder / POINTER)) if (folder / POINTER).exists() else Source(str(folder))
