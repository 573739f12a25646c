"""Stand-ins of the addresses that corpora are downloaded from: the true paths and file names below one
address on loopback, archives laid out as the real ones, the hosts' own habits (a record of checksums,
redirects, ranges, archives made on the spot), and two faults of a network on the way.
"""

import hashlib
import json
import shutil
import threading
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.known_recordings import run_ffmpeg
from benchmarks.rehearsal.loopback import send, send_file, serving
from mfer_core.base.files import read_json
from mfer_core.corpora.sources import ADDRESSES

MADE_ON_THE_SPOT = ("gitlab.com", "codeload.github.com")  # These know neither a length nor ranges.
STORE = "/stored"  # where the others keep files
RECORD = "record"  # the key of a table's entry whose archives a record lists
BREAKS_ONCE, BUSY_ONCE = "Video_Speech_Actor_01.zip", "female.zip"
SONGS = "Video_Song_Actor_01.zip"  # The record lists it, and nobody wants it.


class Downloads:
    """The archives of corpora that lie in ``corpora`` by adapter, made in ``folder``."""

    def __init__(self, corpora: dict[str, Path], folder: Path):
        table = read_json(ADDRESSES)
        self.published = {adapter: table[adapter] for adapter in corpora}
        self.files: dict[str, Path] = {}  # address without scheme -> file
        self.faults = {BREAKS_ONCE, BUSY_ONCE}
        self._lock = threading.Lock()
        folder.mkdir(parents=True)
        for adapter in self.published:
            ARCHIVES[adapter](corpora[adapter], folder)
            for name, url in self._urls(adapter, folder):
                self.files[url] = folder / name

    def _urls(self, adapter: str, folder: Path) -> Iterator[tuple[str, str]]:
        """File name and address of all that is to be had of a corpus."""
        entry = self.published[adapter]
        for archive in entry.get("archives", ()):
            yield archive["name"], archive["url"].partition("://")[2]
        if RECORD in entry:
            for path in [*sorted(folder.glob("*_Speech_*.zip")), folder / SONGS]:
                yield path.name, f"{entry[RECORD].partition('://')[2]}/files/{path.name}/content"

    def table(self, address: str) -> dict:
        """What takes the place of addresses.json: these files at ``address``, with their own sizes and
        checksums where the published table has some; the other corpora as they are.
        """
        table = json.loads(json.dumps(self.published).replace("https://", f"{address}/"))
        others = {name: entry for name, entry in read_json(ADDRESSES).items() if name not in table}
        for adapter, entry in table.items():
            for archive, real in zip(
                entry.get("archives", ()), self.published[adapter].get("archives", ()), strict=True
            ):
                path = self.files[real["url"].partition("://")[2]]
                if "size" in archive:
                    archive["size"] = path.stat().st_size
                    archive["checksum"] = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
            if "known" in entry:
                entry["known"] = {name: self._md5(name) for name in entry["known"]}
        return others | table

    def _md5(self, name: str) -> str:
        path = next(path for path in self.files.values() if path.name == name)
        return f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}"

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve all of it; yields the address."""
        with serving(self._answer) as address:
            yield address

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.path.lstrip("/")
        address = f"http://{handler.headers['Host']}"
        if f"https://{asked}" in (entry.get(RECORD) for entry in self.published.values()):
            send(handler, 200, {"Content-Type": "application/json"}, self._record(asked, address))
        elif (file := self.files.get(asked)) is None:
            stored = self.files.get(asked.removeprefix(STORE.lstrip("/") + "/"))
            self._send_stored(handler, stored) if stored else handler.send_error(404)
        elif urlsplit(f"https://{asked}").hostname in MADE_ON_THE_SPOT:
            _send_on_the_spot(handler, file)
        elif self._first(BUSY_ONCE, file):
            send(handler, 503, {"Retry-After": 1})
        else:
            send(handler, 302, {"Location": f"{STORE}/{asked}"})

    def _send_stored(self, handler: BaseHTTPRequestHandler, file: Path) -> None:
        half = file.stat().st_size // 2 if self._first(BREAKS_ONCE, file) else None
        send_file(handler, file, {"Content-Type": "application/zip"}, half)

    def _first(self, fault: str, file: Path) -> bool:
        """Whether this is the first request for the file that has the fault."""
        with self._lock:
            due = file.name == fault and fault in self.faults
            self.faults -= {fault} if due else set()
        return due

    def _record(self, asked: str, address: str) -> bytes:
        """Zenodo's answer on a record: each file with its size, its checksum and a link to its content."""
        files = [
            {
                "key": path.name,
                "size": path.stat().st_size,
                "checksum": self._md5(path.name),
                "links": {"self": f"{address}/{url}"},
            }
            for url, path in self.files.items()
            if url.startswith(asked)
        ]
        return json.dumps({"files": files}).encode()


def _send_on_the_spot(handler: BaseHTTPRequestHandler, file: Path) -> None:
    """The whole file, whatever was asked for, without its length: its end is the connection's."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/zip")
    handler.send_header("Connection", "close")
    handler.end_headers()
    if handler.command == "GET":
        handler.wfile.write(file.read_bytes())
    handler.close_connection = True


def _zip(archive: Path, files: Iterable[Path], below: Path, top: str = "") -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(files):
            out.write(path, f"{top}{path.relative_to(below)}")


def _ravdess(corpus: Path, folder: Path) -> None:
    """An archive per actor, with each take whole (01) and with a silent track (02); one of all sound (03)."""
    for path in sorted(corpus.rglob("01-01-*.mp4")):
        mute, sound = path.with_name(f"02{path.name[2:]}"), path.with_name(f"03{path.stem[2:]}.wav")
        run_ffmpeg("-i", path, "-c:v", "copy", "-af", "volume=0", mute)
        run_ffmpeg("-i", path, "-vn", "-ac", 1, "-ar", 48_000, sound)
    for actor in sorted(corpus.glob("Actor_*")):
        _zip(folder / f"Video_Speech_{actor.name}.zip", actor.glob("*.mp4"), corpus)
    _zip(folder / "Audio_Speech_Actors_01-24.zip", corpus.rglob("*.wav"), corpus)
    _zip(folder / SONGS, [], corpus)


def _crema_d(corpus: Path, folder: Path) -> None:
    """GitLab puts an archive of one folder below a folder with the project's and the branch's name."""
    _zip(folder / "AudioWAV.zip", corpus.rglob("*.wav"), corpus, "crema-d-mirror-master-AudioWAV/")
    shutil.copyfile(corpus / "VideoDemographics.csv", folder / "VideoDemographics.csv")


def _shemo(corpus: Path, folder: Path) -> None:
    for sex in ("female", "male"):
        _zip(folder / f"{sex}.zip", (corpus / sex).rglob("*.wav"), corpus)


def _urdu(corpus: Path, folder: Path) -> None:
    _zip(folder / "URDU-Dataset.zip", corpus.rglob("*.wav"), corpus, "URDU-Dataset-master/")


ARCHIVES = {"ravdess": _ravdess, "crema_d": _crema_d, "shemo": _shemo, "urdu": _urdu}
