"""Which files of what a person names are looked at."""

from collections.abc import Iterable
from pathlib import Path

from mfer_core.base.errors import MferError
from mfer_core.base.folders import list_files
from mfer_core.media.kinds import is_media


def find_media(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """The files to look at, each once, and those of the folders that are no media by their names; hidden files are neither.

    A file that is named itself is looked at whatever its name. Raises MferError for a path that is not there.
    """
    media: dict[Path, None] = {}
    others: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise MferError(f"no file or folder {path}")
        files = [path / name for name in list_files(path).files] if path.is_dir() else [path]
        chosen = [file for file in files if file == path or is_media(file)]
        media |= dict.fromkeys(chosen)
        others += [file for file in files if file not in media]
    return list(media), others
