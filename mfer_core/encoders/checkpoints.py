"""Where an encoder's checkpoint lies: a folder, ``data/checkpoints/<id>``, a hub's local cache, or, last, the
hub itself.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from mfer_core.base.errors import MferError, typed_line
from mfer_core.base.files import digest, sha256_file
from mfer_core.base.paths import DataPaths
from mfer_core.encoders.cards import refuse_forbidden

CHECKPOINTS = DataPaths().checkpoints
PATIENCE_S = 5.0  # A hub must answer within this time whether it has a model.
# A hub's repository may hold the same weights for other frameworks, each several gigabytes.
OTHER_FRAMEWORKS = ["*.h5", "*.msgpack", "*.onnx", "*.tflite", "*.gguf", "*.ot", "*.mlmodel", "*.fp32-*"]
COMMIT = re.compile(r"[0-9a-f]{40}")
WEIGHTS = ("*.safetensors", "*.bin", "*.pt")  # in order of preference


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's folder on this machine and what names it in results."""

    folder: Path
    name: str
    revision: str | None
    hash: str  # The hash of weights and configuration, on which the values depend.

    @property
    def metadata(self) -> dict:
        return {"name": self.name, "revision": self.revision, "hash": self.hash}


def find_checkpoint(
    checkpoint: str, revision: str | None, configs: tuple[str, ...], locked: str | None = None
) -> Checkpoint:
    """Find ``checkpoint`` (folder, Hugging Face id, or ModelScope id ``iic/...``); what is on this machine
    needs no network.

    ``configs`` are the configuration files that shape the values beside the weights, and ``locked`` is the
    hash that both must have. Raises MferError naming the id and the folder to put it in when it is nowhere to
    be had, and for another hash.
    """
    folder = checkpoint_folder(checkpoint, revision)
    hashed = hash_of(folder, configs)
    if locked is not None and hashed != locked:
        raise MferError(
            f"{checkpoint}: the weights in {folder} have the hash {hashed}, and {locked} is locked: put the "
            "locked ones in their place, or run `mfer lock-encoders`"
        )
    # A folder's path on this machine means nothing elsewhere.
    name = folder.resolve().name if folder == Path(checkpoint) else checkpoint
    return Checkpoint(folder, name, revision, hashed)


def hash_of(folder: Path, configs: tuple[str, ...]) -> str:
    """The hash of a checkpoint's weights and of those of ``configs`` that it has."""
    shaping = [path for name in configs if (path := folder / name).is_file()]
    return digest({path.name: sha256_file(path) for path in (*weights_files(folder), *shaping)})


def checkpoint_folder(checkpoint: str, revision: str | None) -> Path:
    """The folder of ``checkpoint``, downloaded where it is not on this machine. Raises MferError as
    ``find_checkpoint``, and by name where the licence forbids emotion recognition.
    """
    refuse_forbidden(checkpoint)
    return folder_here(checkpoint, revision) or _from_hub(checkpoint, revision)


def local_folder(checkpoint: str) -> Path | None:
    """The folder of a checkpoint that a person put on this machine."""
    return next((path for path in (Path(checkpoint), CHECKPOINTS / checkpoint) if path.is_dir()), None)


def folder_here(checkpoint: str, revision: str | None) -> Path | None:
    """The folder of a checkpoint that is on this machine: one that a person put there, or a hub's cache."""
    if folder := local_folder(checkpoint):
        return folder
    fetch = _from_modelscope if checkpoint.startswith("iic/") else _from_huggingface
    try:
        return Path(fetch(checkpoint, revision, local_files_only=True))
    # Each hub has errors of its own for what is not in its cache.
    except Exception:
        return None


def commit_of(folder: Path) -> str | None:
    """The commit of a folder that Hugging Face's programs downloaded, into their cache or with
    ``hf download --local-dir``; None where none is known.
    """
    if folder.parent.name == "snapshots" and COMMIT.fullmatch(folder.name):
        return folder.name
    for record in sorted((folder / ".cache" / "huggingface" / "download").glob("*.metadata")):
        first = record.read_text(encoding="utf-8").partition("\n")[0].strip()
        if COMMIT.fullmatch(first):
            return first
    return None


def why_missing(checkpoint: str, revision: str | None) -> str | None:
    """One line where ``checkpoint`` is neither on this machine nor offered by its hub just now; None where it
    can be had.
    """
    if folder_here(checkpoint, revision):
        return None
    ask = _ask_modelscope if checkpoint.startswith("iic/") else _ask_huggingface
    try:
        ask(checkpoint, revision)
    # The hubs raise whatever their transport raises; each error means that the model is not to be had.
    except Exception as error:
        return (
            f"no {_named(checkpoint, revision)}: it is no folder, in no local cache, and its hub does "
            f"not offer it now ({typed_line(error)}): {_remedy(checkpoint)}"
        )
    return None


def weights_files(folder: Path) -> list[Path]:
    """The file or files of weights, safetensors before pickles. Raises MferError when there are none.

    Where files are named model (model.safetensors, pytorch_model.bin) the others are not weights: a training
    leaves its checkpoint or its arguments beside them.
    """
    for pattern in WEIGHTS:
        if files := sorted(folder.glob(pattern)):
            return [path for path in files if "model" in path.name] or files
    raise MferError(f"no weights in {folder}: expected one of {', '.join(WEIGHTS)}")


def _from_hub(checkpoint: str, revision: str | None) -> Path:
    fetch = _from_modelscope if checkpoint.startswith("iic/") else _from_huggingface
    try:
        return Path(fetch(checkpoint, revision, local_files_only=False))
    # The hubs raise whatever their transport raises; each error means that the model is not to be had.
    except Exception as error:
        raise MferError(
            f"no checkpoint {_named(checkpoint, revision)}: it is no folder, in no local cache, and "
            f"could not be downloaded ({typed_line(error)}): {_remedy(checkpoint)}"
        ) from error


def _named(checkpoint: str, revision: str | None) -> str:
    return f"{checkpoint!r} (revision {revision})" if revision else repr(checkpoint)


def _remedy(checkpoint: str) -> str:
    return f"put its files into {CHECKPOINTS / checkpoint}, or give a folder as checkpoint"


def _ask_huggingface(checkpoint: str, revision: str | None) -> None:
    """Raises where Hugging Face cannot be reached or has no such model."""
    from huggingface_hub import HfApi

    HfApi().model_info(checkpoint, revision=revision, timeout=PATIENCE_S)


def _ask_modelscope(checkpoint: str, revision: str | None) -> None:
    """Raises where ModelScope cannot be reached or has no such model."""
    with urlopen(f"https://www.modelscope.cn/api/v1/models/{checkpoint}", timeout=PATIENCE_S):
        return


def _from_huggingface(checkpoint: str, revision: str | None, local_files_only: bool) -> str:
    from huggingface_hub import snapshot_download

    return snapshot_download(
        checkpoint, revision=revision, local_files_only=local_files_only, ignore_patterns=OTHER_FRAMEWORKS
    )


def _from_modelscope(checkpoint: str, revision: str | None, local_files_only: bool) -> str:
    from modelscope import snapshot_download

    return snapshot_download(checkpoint, revision=revision, local_files_only=local_files_only)
