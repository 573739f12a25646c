"""Which files of what a person names are looked at."""

from collections.abc import Iterable
from pathlib import Path

from mfer_core.base.errors import MferError
from mfer_core.corpora.contract import AUDIO, VIDEO, walk

# Beside what the corpora hold: whatever else FFmpeg reads and people have.
SUFFIXES = (
    AUDIO
    | VIDEO
    | {
        ".m4v",
        ".mpg",
        ".mpeg",
        ".mts",
        ".m2ts",
        ".ts",
        ".wmv",
        ".3gp",
        ".ogv",
        ".ogg",
        ".opus",
        ".aac",
        ".wma",
    }
)


def find_media(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """The files to look at, each once, and those of the folders that are no media by their names; hidden files are neither.

    A file that is named itself is looked at whatever its name. Raises MferError for a path that is not there.
    """
    media: dict[Path, None] = {}
    others: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise MferError(f"no file or folder {path}")
        files = [path / name for name in sorted(walk(path))] if path.is_dir() else [path]
        chosen = [file for file in files if file == path or file.suffix.lower() in SUFFIXES]
        media |= dict.fromkeys(chosen)
        others += [file for file in files if file not in media]
    return list(media), others
