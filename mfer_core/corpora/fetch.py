"""Fetch a corpus that is openly downloadable: archive by archive, resumed where it stopped."""

import logging
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest, read_json, write_json
from mfer_core.corpora.download import TransientError, download, read_json_url
from mfer_core.corpora.registry import adapter as find_adapter
from mfer_core.corpora.sources import Archive, Source
from mfer_core.corpora.unpack import BrokenArchiveError, check_room, unpack

DONE = ".fetched.json"  # archive name -> what was unpacked, and "complete" once nothing is left to do
log = logging.getLogger("mfer")
PARTS = ".fetch"  # Archives that are being downloaded lie in this folder.


def fetch_corpus(adapter: str, folder: Path, source: Source | None = None) -> int:
    """Bring a corpus into ``folder``; returns the number of files unpacked by this call (0: it was all
    there).

    Each archive is downloaded, checked, unpacked and removed before the next, and noted in ``.fetched.json``:
    calling it again goes on where it stopped. Raises TransientError (download.py) where trying again may
    help; MferError for a corpus that cannot be fetched (says where to get it), for want of disk space and for
    archives that are not safe.
    """
    source = source or find_adapter(adapter).source
    if source.record and is_fetched(folder):
        return 0  # The record is not asked, because the machine may be off the network by now.
    archives = list_archives(source)
    if not archives:
        raise MferError(f"{adapter} cannot be fetched: {source.directions(folder)}")
    done = _read_done(folder)
    missing = [archive for archive in archives if done.get(archive.name) != _key(archive)]
    # At worst all archives have come in and the largest lies there both packed and unpacked.
    sizes = [archive.expected for archive in missing]
    check_room(folder, sum(sizes) + max(sizes, default=0), f"fetch {adapter}")
    count = 0
    for archive in missing:
        count += _fetch_archive(archive, folder)
        done[archive.name] = _key(archive)
        write_json(folder / DONE, {"archives": done, "complete": False})
    write_json(folder / DONE, {"archives": done, "complete": True})
    if source.lacks:
        log.warning("fetch %s brings what can be downloaded; it lacks %s", adapter, source.lacks)
    return count


def is_fetched(folder: Path) -> bool:
    """Whether ``fetch_corpus`` ended in ``folder`` with nothing left to do."""
    return (folder / DONE).exists() and read_json(folder / DONE).get("complete") is True


def list_archives(source: Source) -> list[Archive]:
    """The archives to fetch; the sizes and checksums of a Zenodo record are asked for now.

    Raises MferError when the record lacks a file or contradicts a checksum that is known.
    """
    if source.record is None:
        return list(source.archives)
    entries = [_read_entry(entry) for entry in read_json_url(source.record).get("files", [])]
    archives = [
        entry for entry in entries if any(fnmatchcase(entry.name, pattern) for pattern in source.record_files)
    ]
    if not archives:
        raise MferError(f"{source.record} lists none of {', '.join(source.record_files)}")
    published = {archive.name: archive.checksum for archive in archives}
    for name, checksum in source.known.items():
        if published.get(name) != checksum:
            raise MferError(
                f"{source.record}: {name} should have {checksum}, the record says {published.get(name)}"
            )
    return sorted(archives, key=lambda archive: archive.name)


def _read_entry(entry: dict[str, Any]) -> Archive:
    try:
        name = str(entry["key"])
        if Path(name).name != name:
            raise MferError(f"the record names a file {name!r}")
        return Archive(
            url=entry["links"]["self"], name=name, size=int(entry["size"]), checksum=entry["checksum"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MferError(f"the record's list of files is not as expected: {error}") from error


def _fetch_archive(archive: Archive, folder: Path) -> int:
    path = download(archive, folder / PARTS)
    if archive.plain:
        path.replace(folder / path.name)
        count = 1
    else:
        count = _unpack_once(archive, path, folder)
    if not any((folder / PARTS).iterdir()):
        (folder / PARTS).rmdir()
    return count


def _unpack_once(archive: Archive, path: Path, folder: Path) -> int:
    """Unpack and remove an archive; a damaged one without a published checksum is dropped, so that it is
    fetched again.
    """
    try:
        count = unpack(path, folder, archive.strip, archive.keep)
    except BrokenArchiveError as error:
        if archive.checksum:
            raise
        path.unlink()
        raise TransientError(f"{error}; dropped") from error
    path.unlink()
    return count


def _key(archive: Archive) -> str:
    return digest(archive.url, archive.size, archive.checksum, archive.strip, archive.keep)


def _read_done(folder: Path) -> dict[str, str]:
    return read_json(folder / DONE)["archives"] if (folder / DONE).exists() else {}
