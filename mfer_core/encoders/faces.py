"""Which face encoder a checkpoint holds; what its config.json says decides, never its name."""

from mfer_core.encoders.checkpoint_pointer import Source
from mfer_core.encoders.contract import FaceEncoder
from mfer_core.encoders.vit import load_vit


def load_faces(source: Source, device: str, precision: str) -> FaceEncoder:
    """Load a face encoder by folder or hub id. Raises MferError when it is missing, incomplete or none."""
    return load_vit(source.checkpoint, source.revision, device, precision)
