"""Zip archives from elsewhere: everything is looked at before anything is written."""

import shutil
import stat
import zipfile
import zlib
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from mfer_core.base.errors import MferError

MOST_MEMBERS = 100_000
# An archive may unpack to so many times its size, because sound and video hardly shrink in a zip.
MOST_GROWTH = 20
GROWTH_FROM = 64 << 20  # Any archive may unpack to this many bytes.
ENCRYPTED = 0x1
STAGING = ".unpacking"


class BrokenArchiveError(MferError):
    """An archive that is cut off, damaged or no zip at all."""


def unpack(archive: Path, folder: Path, strip: int = 0, keep: tuple[str, ...] = ("*",)) -> int:
    """Unpack the members that match ``keep`` into ``folder``, without their first ``strip`` folders; returns
    how many.

    Files are written beside ``folder`` and moved one by one when all are there: a file seen in ``folder`` is
    whole. Raises BrokenArchiveError for a damaged archive, MferError for one that holds absolute paths, "..",
    links, special or encrypted files, one name twice, or far more than its size lets expect (a bomb);
    ``folder`` is as before then.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _check_members(archive, opened)
            chosen = {_target(info.filename, strip): info for info in members}
            chosen = {
                path: info
                for path, info in chosen.items()
                if path and any(fnmatchcase(path, pattern) for pattern in keep)
            }
            check_room(folder, sum(info.file_size for info in chosen.values()), f"unpack {archive.name}")
            return _extract(opened, chosen, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise BrokenArchiveError(f"cannot unpack {archive}: {error}") from error
    except OSError as error:
        raise MferError(f"cannot unpack {archive}: {error}") from error


def check_room(folder: Path, needed: int, purpose: str) -> None:
    """Raise MferError when the disk that holds ``folder`` has less than ``needed`` bytes free."""
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise MferError(
            f"no room to {purpose}: {needed / 1e9:.2f} GB needed at {existing}, {free / 1e9:.2f} GB free"
        )


def _check_members(archive: Path, opened: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    # ZipInfo.is_dir fails at a member without a name.
    members = [info for info in opened.infolist() if not info.filename.endswith("/")]
    for info in members:
        if fault := _fault(info):
            raise MferError(f"{archive} is not safe to unpack: {info.filename!r} {fault}")
    names = [info.filename for info in members]
    if len(set(names)) < len(names):
        raise MferError(f"{archive} is not safe to unpack: it holds a name twice")
    total, limit = (
        sum(info.file_size for info in members),
        max(MOST_GROWTH * archive.stat().st_size, GROWTH_FROM),
    )
    if total > limit or len(members) > MOST_MEMBERS:
        raise MferError(
            f"{archive} is not safe to unpack: {len(members)} files, {total} bytes out of "
            f"{archive.stat().st_size} look like a bomb"
        )
    return members


def _fault(info: zipfile.ZipInfo) -> str | None:
    path, mode = PurePosixPath(info.filename), info.external_attr >> 16
    if not path.parts:
        return "is no name"
    if path.is_absolute() or "\\" in info.filename or ":" in path.parts[0]:
        return "is an absolute or foreign path"
    if ".." in path.parts:
        return "leaves its folder"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "is a link or a special file"
    if info.flag_bits & ENCRYPTED:
        return "is encrypted"
    return None


def _target(name: str, strip: int) -> str:
    return "/".join(PurePosixPath(name).parts[strip:])


def _extract(opened: zipfile.ZipFile, chosen: dict[str, zipfile.ZipInfo], folder: Path) -> int:
    staging = folder / STAGING
    shutil.rmtree(staging, ignore_errors=True)  # A killed run left this behind.
    try:
        for path, info in chosen.items():
            destination = staging / path
            destination.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(info) as source, destination.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
        for path in chosen:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (staging / path).replace(folder / path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return len(chosen)
