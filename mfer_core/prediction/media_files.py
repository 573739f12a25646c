"""Which files of what a person names are looked at."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mfer_core.base.errors import ClipError, MferError
from mfer_core.base.folders import check_file, list_files
from mfer_core.media.kinds import is_media, is_picture, is_side_file


@dataclass
class MediaFiles:
    """What was found, each file once, in the order of the paths that were named."""

    recordings: list[Path] = field(default_factory=list)
    # The recordings of which only their content can tell that they are recordings.
    unsure: set[Path] = field(default_factory=set)
    # Files of folders that are no recordings: pictures, tables, texts, archives.
    others: list[Path] = field(default_factory=list)
    faults: dict[Path, ClipError] = field(default_factory=dict)  # The paths that cannot be read as a file.


def find_media(paths: Iterable[Path], but: Path | None = None) -> MediaFiles:
    """Every file that may be a recording; a file that is named itself is one whatever its name. Hidden files
    are not.

    ``but`` is a folder that is left out: that of the results. Raises MferError for a path that is not there.
    """
    media, seen = MediaFiles(), set()
    for path in map(Path, paths):
        try:
            is_folder = path.is_dir()
            if not (path.exists() or path.is_symlink()):
                raise MferError(f"no file or folder {path}")
        except OSError as error:
            raise MferError(f"{path}: {error.strerror}") from error
        files = _folder(path, media) if is_folder else _file(path, media)
        for file in files:
            absolute = file.absolute()
            if absolute not in seen and not (but and absolute.is_relative_to(but.absolute())):
                seen.add(absolute)
                media.recordings.append(file)
    return media


def _file(path: Path, media: MediaFiles) -> list[Path]:
    try:
        check_file(path)
    except ClipError as error:
        media.faults[path] = error
        return []
    return [path]


def _folder(folder: Path, media: MediaFiles) -> list[Path]:
    listing = list_files(folder)
    media.faults |= {folder / name: error for name, error in listing.faults.items()}
    files = [folder / name for name in listing.files]
    media.others += [file for file in files if is_side_file(file) or is_picture(file)]
    files = [file for file in files if not (is_side_file(file) or is_picture(file))]
    media.unsure |= {file for file in files if not is_media(file)}
    return files
