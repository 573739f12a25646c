"""Which speech encoder a checkpoint holds: emotion2vec in FunASR's layout, or one of transformers' families.

What the folder's own files say decides, never its name.
"""

from pathlib import Path

from mfer_core.base.errors import MferError
from mfer_core.encoders.checkpoint_pointer import Source
from mfer_core.encoders.checkpoints import checkpoint_folder
from mfer_core.encoders.contract import SpeechEncoder


def load_speech(source: Source, device: str, precision: str) -> SpeechEncoder:
    """Load a speech encoder by folder or hub id. Raises MferError when it is missing, unsafe, incomplete or
    no speech encoder.
    """
    folder = checkpoint_folder(source.checkpoint, source.revision)
    if (folder / "config.yaml").is_file():
        return _emotion2vec(source, device, precision)
    if not (folder / "config.json").is_file():
        raise MferError(
            f"no speech encoder in {folder}: it holds neither config.yaml (emotion2vec) nor config.json"
        )
    from mfer_core.encoders.transformers_speech import load_transformers_speech

    return load_transformers_speech(source, device, precision)


def _emotion2vec(source: Source, device: str, precision: str) -> SpeechEncoder:
    from mfer_core.encoders.emotion2vec import load_emotion2vec

    if source.layer is not None:
        raise MferError(
            f"{Path(source.checkpoint).name} is an emotion2vec, which gives its last frames only: leave "
            "layer empty"
        )
    return load_emotion2vec(source.checkpoint, source.revision, device, precision, source.hash)
