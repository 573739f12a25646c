"""The files below a folder: every file once, and a reason for each entry that cannot be read as a file."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mfer_core.base.errors import ClipError, shown

_SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


@dataclass
class Listing:
    """Paths relative to a folder, "/" as separator. Hidden entries ("." in front) and __MACOSX are in
    neither.
    """

    files: list[str] = field(default_factory=list)  # Regular files that can be read, sorted.
    # The fault of every other entry, and of folders that are closed.
    faults: dict[str, ClipError] = field(default_factory=dict)


def check_file(path: Path) -> None:
    """Raise ClipError ("missing file", "broken link", "not a file", "no permission") for what cannot be read
    as a file.

    Nothing is opened: opening a named pipe would wait for ever.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if path.is_symlink():
            raise ClipError("broken link", f"to {readable(path.readlink())}: {error.strerror}") from error
        if isinstance(error, FileNotFoundError):
            raise ClipError("missing file") from error
        raise ClipError("unreadable", str(error.strerror)) from error
    if not stat.S_ISREG(mode):
        raise ClipError("not a file", _SPECIAL.get(stat.S_IFMT(mode), "of an unknown kind"))
    if not os.access(path, os.R_OK, effective_ids=True):
        raise ClipError("no permission", "the file cannot be read by this user")


def list_files(folder: Path) -> Listing:
    """All files below ``folder``. Links are followed; a folder that can be reached twice is read once.

    Links to folders are followed last, so that a folder keeps the path at which it really lies.
    """
    walk = _Walk(Path(folder))
    walk.read("")
    while walk.folders or walk.links:
        walk.read(walk.folders.pop() if walk.folders else walk.links.pop(0))
    walk.listing.files.sort()
    return walk.listing


class _Walk:
    """The folders that are still to be read, and what those read so far hold."""

    def __init__(self, root: Path):
        self._root = root
        self._seen: dict[tuple[int, int], str] = {}  # device and inode of a folder -> where it was read
        self.listing = Listing()
        self.folders: list[str] = []
        self.links: list[str] = []

    def read(self, path: str) -> None:
        """Sort the entries of one folder into files, faults, folders and links to folders."""
        folder, faults = self._root / path, self.listing.faults
        try:
            facts = folder.stat()
            if (known := self._seen.setdefault((facts.st_dev, facts.st_ino), path)) != path:
                faults[path] = ClipError("folder read already", f"it is {known or 'the whole folder'}")
                return
            entries = list(_visible(folder))
        except OSError as error:
            faults[path or "."] = ClipError("folder not readable", str(error.strerror))
            return
        for entry in entries:
            name = f"{path}/{entry.name}" if path else entry.name
            try:
                self._sort(name, entry.is_symlink())
            except ClipError as error:
                faults[name] = error
            except OSError as error:
                faults[name] = ClipError("unreadable", str(error.strerror))
        self.links.sort()

    def _sort(self, name: str, is_link: bool) -> None:
        if (self._root / name).is_dir():
            (self.links if is_link else self.folders).append(name)
        else:
            check_file(self._root / name)
            self.listing.files.append(name)


def _visible(folder: Path) -> Iterator[os.DirEntry]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith(".") and entry.name != "__MACOSX")


def readable(path: str | Path) -> str:
    """A path as it can be shown and stored: bytes that are not UTF-8 and control characters as ``\\xNN``."""
    return shown(os.fsencode(path).decode("utf-8", "backslashreplace"))
