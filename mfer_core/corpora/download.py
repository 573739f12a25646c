"""One file over HTTP: resumed where it stopped, checked before it gets its name."""

import hashlib
import math
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import requests
import urllib3

from mfer_core.base.errors import MferError, typed_line
from mfer_core.base.progress import track

PIECE = 1 << 16  # Bytes received at a time; a piece that is incomplete when a connection breaks is lost.
MIB = 1 << 20
TIMEOUT = (10, 60)  # seconds: to connect, between two pieces
BUSY = {408, 425, 429, 500, 502, 503, 504}  # Statuses of faults that pass.


class TransientError(MferError):
    """A fault that may pass: try again after a while. What arrived is kept unless the message says
    otherwise.
    """


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A file to fetch."""

    url: str
    name: str
    size: int | None = None  # bytes, exact
    about: int = 0  # bytes, roughly, where the exact size is not published
    checksum: str | None = None  # "md5:<hex>" or "sha256:<hex>"

    @property
    def expected(self) -> int:
        return self.size or self.about


def download(remote: Remote, folder: Path) -> Path:
    """Fetch ``remote`` into ``folder``; a file that is already there whole is not fetched again.

    Bytes collect in ``<name>.part``; it is checked by size and checksum and only then renamed. Raises
    TransientError for dropped connections, busy servers and content that is not what was promised, MferError
    for what will not pass.
    """
    path, part = folder / remote.name, folder / f"{remote.name}.part"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    if not (part.exists() and remote.size == part.stat().st_size):
        _receive(remote, part)
    _verify(remote, part)
    return part.rename(path)


def read_json_url(url: str) -> dict:
    """The JSON object at ``url``. Raises TransientError or MferError as ``download`` does."""
    try:
        response = requests.get(url, timeout=TIMEOUT)
        _check_status(response, url)
        return response.json()
    except requests.JSONDecodeError as error:
        raise TransientError(f"{url} did not answer with JSON") from error
    except requests.RequestException as error:
        raise _fault(url, error) from error


def _receive(remote: Remote, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with requests.get(remote.url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            if have and response.status_code == 416:
                part.unlink()
                raise TransientError(
                    f"{remote.name}: the server has fewer bytes than were kept; they are dropped and it "
                    "starts again"
                )
            _check_status(response, remote.url)
            resumed = have and _resumes(response, have)
            _write(remote, part, response.iter_content(PIECE), have if resumed else 0)
    except requests.RequestException as error:
        kept = part.stat().st_size if part.exists() else 0
        broke = f"{remote.name}: the connection broke after {kept} of {remote.expected or '?'} bytes"
        raise _fault(broke, error) from error


def _resumes(response: requests.Response, have: int) -> bool:
    """Whether the answer goes on where the kept bytes end; a server without ranges sends all of it again."""
    return response.status_code == 206 and response.headers.get("Content-Range", "").startswith(
        f"bytes {have}-"
    )


def _write(remote: Remote, part: Path, pieces: Iterable[bytes], have: int) -> None:
    left = math.ceil(max(remote.expected - have, 0) / MIB)
    with part.open("ab" if have else "wb") as file:
        for _ in track(_write_pieces(file, pieces, remote.size), f"fetch {remote.name} (MiB)", left):
            pass


def _write_pieces(file: IO[bytes], pieces: Iterable[bytes], size: int | None) -> Iterator[None]:
    """Write piece by piece; yields once for each MiB. Stops beyond ``size``, which _verify refuses."""
    for number, piece in enumerate(pieces, 1):
        file.write(piece)
        if size and file.tell() > size:
            return
        if number % (MIB // PIECE) == 0:
            yield


def _verify(remote: Remote, part: Path) -> None:
    size = part.stat().st_size
    if remote.size and size < remote.size:
        raise TransientError(f"{remote.name}: {size} of {remote.size} bytes arrived; it goes on from there")
    if remote.size and size > remote.size:
        part.unlink()
        raise TransientError(f"{remote.name}: more than the {remote.size} bytes published; dropped")
    if remote.checksum and (checksum := _hash(part, remote.checksum.partition(":")[0])) != remote.checksum:
        part.unlink()
        raise TransientError(f"{remote.name}: checksum {checksum}, published is {remote.checksum}; dropped")


def _hash(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def _check_status(response: requests.Response, url: str) -> None:
    if response.status_code in BUSY:
        wait = response.headers.get("Retry-After")
        raise TransientError(
            f"{url} is busy ({response.status_code})" + (f"; it asks to wait {wait} s" if wait else "")
        )
    if not response.ok:
        raise MferError(f"{url} answered {response.status_code} {response.reason}")


def _fault(what: str, error: requests.RequestException) -> MferError:
    """The innermost cause in one line: requests wraps it in what it was trying."""
    cause = getattr(error.args[0], "reason", None) if error.args else None
    certificate = cause.args[0] if isinstance(cause, urllib3.exceptions.SSLError) else None
    if isinstance(certificate, ssl.SSLCertVerificationError):
        why = certificate.verify_message
        return MferError(
            f"{what}: the server's certificate is not trusted ({why}): REQUESTS_CA_BUNDLE=FILE names others"
        )
    return TransientError(f"{what}: {typed_line(cause or error)[:200]}")
