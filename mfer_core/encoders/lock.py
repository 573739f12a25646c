"""The revision and the hash of an encoder on this machine, to which the settings can hold every later run."""

from pathlib import Path
from typing import NamedTuple

from mfer_core.encoders import emotion2vec, speaker, transformers_speech, vit
from mfer_core.encoders.checkpoints import commit_of, folder_here, hash_of

FACES, SPEECH, VOICES = "faces", "speech", "voices"


class Lock(NamedTuple):
    """What names the weights that an encoder has here."""

    revision: str | None  # None: the folder does not say which commit it is of
    hash: str


def lock_of(kind: str, checkpoint: str, revision: str | None) -> Lock | None:
    """The lock of an encoder of ``kind``; None where it is not on this machine. Raises MferError for a folder
    without weights.
    """
    folder = folder_here(checkpoint, revision)
    if folder is None:
        return None
    return Lock(commit_of(folder) or revision, hash_of(folder, _shaping_files(kind, folder)))


def why_not_locked(kind: str, checkpoint: str, revision: str | None, locked: str) -> str | None:
    """One line where the encoder on this machine is not the locked one; None where it is, or is not here."""
    here = lock_of(kind, checkpoint, revision)
    if here is None or here.hash == locked:
        return None
    return (
        f"{checkpoint} has the hash {here.hash} on this machine, and {locked} is locked: put the locked "
        "ones in their place, or run `mfer lock-encoders`"
    )


def _shaping_files(kind: str, folder: Path) -> tuple[str, ...]:
    """The files that shape an encoder's values beside its weights, as its loader has them."""
    if kind == FACES:
        return vit.SHAPING_FILES
    if kind == VOICES:
        return speaker.SHAPING_FILES
    is_emotion2vec = (folder / "config.yaml").is_file()
    return emotion2vec.SHAPING_FILES if is_emotion2vec else transformers_speech.SHAPING_FILES
