"""An encoder's folder holds either what the pipeline trained or the name of a published checkpoint."""

from pathlib import Path

from mfer_core.base.files import read_json, write_json

POINTER = "published.json"


def name_published(folder: Path, checkpoint: str, revision: str | None) -> None:
    """Make ``folder`` stand for a published checkpoint."""
    write_json(folder / POINTER, {"checkpoint": checkpoint, "revision": revision})


def checkpoint_of(folder: Path) -> tuple[str, str | None]:
    """What to load for an encoder's folder: checkpoint (hub id or folder) and revision."""
    if (folder / POINTER).exists():
        pointer = read_json(folder / POINTER)
        return pointer["checkpoint"], pointer["revision"]
    return str(folder), None
