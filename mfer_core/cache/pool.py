"""Small files with the hashes of the pretraining corpora.

dvc.yaml cannot make a list of corpora into a list of dependencies, and a folder that holds all corpora
changes with any of them. So the stages that read the pretraining corpora depend on a folder of these files
alone, which changes when one of these corpora does, and waits for no other.
"""

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest, sha256_file
from mfer_core.base.settings import Corpus


def describe_pool(corpora: dict[str, Corpus], folders: Mapping[str, list[Path]]) -> dict[str, dict[str, str]]:
    """Corpus -> how it is read and a hash of all files in its ``folders``, in their order.

    Raises MferError where a folder is missing.
    """
    return {
        name: {
            "adapter": corpora[name].adapter,
            "source": corpora[name].source,
            "content": digest([folder_hash(folder) for folder in read]),
        }
        for name, read in folders.items()
    }


def folder_hash(folder: Path) -> str:
    """A hash of names and contents of all files below ``folder``. Raises MferError where it is missing."""
    if not folder.is_dir():
        raise MferError(f"no folder {folder}: run stage {folder.parts[1]} for {folder.name} first")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest({path.relative_to(folder).as_posix(): sha256_file(path) for path in files})


def remove_others(folder: Path, names: Collection[str]) -> list[str]:
    """Remove the folders and JSON files below ``folder`` of corpora that are not among ``names``; returns the
    removed names.

    What is left there would be part of DVC's hash of the whole folder. DVC's cache still holds what is
    removed. Another stage may be removing the same at the same time; no folder is an empty one.
    """
    if not folder.is_dir():
        return []
    folders = {path: path.name for path in folder.iterdir() if path.is_dir()}
    files = {path: path.stem for path in folder.glob("*.json")}
    gone = {path: name for path, name in sorted((folders | files).items()) if name not in names}
    for path in gone:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return [*gone.values()]
