"""One small file with a hash of each pretraining corpus.

dvc.yaml cannot make a list of corpora into a list of dependencies, and a folder that holds all corpora
changes with any of them. So the stages that read the pretraining corpora depend on this file, which changes
when one of these does.
"""

import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest, sha256_file
from mfer_core.base.settings import Corpus


def describe_pool(
    names: list[str], corpora: dict[str, Corpus], folders: Callable[[str], list[Path]]
) -> dict[str, dict[str, str]]:
    """Corpus -> how it is read and a hash of all files in its ``folders``, in the order of ``names``.

    Raises MferError where a folder is missing.
    """
    return {
        name: {
            "adapter": corpora[name].adapter,
            "source": corpora[name].source,
            "content": digest([folder_hash(folder) for folder in folders(name)]),
        }
        for name in names
    }


def folder_hash(folder: Path) -> str:
    """A hash of names and contents of all files below ``folder``. Raises MferError where it is missing."""
    if not folder.is_dir():
        raise MferError(f"no folder {folder}: run stage {folder.parts[1]} for {folder.name} first")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest({path.relative_to(folder).as_posix(): sha256_file(path) for path in files})


def remove_others(folder: Path, names: Collection[str]) -> list[str]:
    """Remove the folders below ``folder`` of corpora that are not among ``names``; returns the removed names.

    A folder left there would be part of DVC's hash of the whole folder. DVC's cache still holds what is
    removed.
    """
    others = sorted(path for path in folder.iterdir() if path.is_dir() and path.name not in names)
    for path in others:
        shutil.rmtree(path)
    return [path.name for path in others]
