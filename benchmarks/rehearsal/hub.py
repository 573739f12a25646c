"""A stand-in of a model hub on loopback, with what Hugging Face's answers promise: a commit, checksums, a
redirect to another address for large files, and ranges.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LARGE = 1 << 20  # bytes; such files lie behind a redirect, as those in git-lfs do
PIECE = 1 << 20


@dataclass(frozen=True)
class Repository:
    """The files of one model, served under its id."""

    name: str
    folder: Path

    @property
    def files(self) -> list[str]:
        paths = (path for path in self.folder.rglob("*") if path.is_file())
        return sorted(path.relative_to(self.folder).as_posix() for path in paths)

    @cached_property
    def checksums(self) -> dict[str, str]:
        """File -> hex SHA-256."""
        return {name: hashlib.sha256((self.folder / name).read_bytes()).hexdigest() for name in self.files}

    @property
    def commit(self) -> str:
        return hashlib.sha1("".join(self.checksums.values()).encode()).hexdigest()


@contextmanager
def serving(repositories: list[Repository]) -> Iterator[str]:
    """Serve models; yields the address for HF_ENDPOINT."""
    by_name = {repository.name: repository for repository in repositories}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, by_name)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing: the rehearsal's own lines are enough."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _answer(handler: BaseHTTPRequestHandler, repositories: dict[str, Repository]) -> None:
    parts = handler.path.split("?")[0].strip("/").split("/")
    api = parts[:2] == ["api", "models"]
    name = "/".join(parts[2:4] if api else parts[:2])
    repository = repositories.get(name)
    if repository is None:
        handler.send_error(404)
    elif api:
        _send_json(handler, _tree(repository) if "tree" in parts[4:5] else _facts(repository))
    elif (file := "/".join(parts[4:])) in repository.files:
        _send_file(handler, repository, file, stored=parts[2] == "stored")
    else:
        handler.send_error(404)


def _facts(repository: Repository) -> dict:
    siblings = [{"rfilename": name} for name in repository.files]
    facts = {"id": repository.name, "modelId": repository.name, "sha": repository.commit}
    return facts | {"siblings": siblings, "private": False, "gated": False, "tags": [], "downloads": 0}


def _tree(repository: Repository) -> list[dict]:
    """Every file with its size, as the hub lists them; a large one with its checksum in git-lfs."""
    listed = []
    for name in repository.files:
        size, checksum = (repository.folder / name).stat().st_size, repository.checksums[name]
        stored = {"lfs": {"oid": checksum, "size": size, "pointerSize": 134}} if size > LARGE else {}
        listed.append({"type": "file", "path": name, "size": size, "oid": checksum[:40], **stored})
    return listed


def _send_json(handler: BaseHTTPRequestHandler, content: object) -> None:
    body = json.dumps(content).encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _send_file(handler: BaseHTTPRequestHandler, repository: Repository, name: str, stored: bool) -> None:
    path, checksum = repository.folder / name, repository.checksums[name]
    size = path.stat().st_size
    if size > LARGE and not stored:
        handler.send_response(302)
        handler.send_header("Location", f"/{repository.name}/stored/{repository.commit}/{name}")
        handler.send_header("X-Linked-Etag", f'"{checksum}"')
        handler.send_header("X-Linked-Size", str(size))
        handler.send_header("X-Repo-Commit", repository.commit)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    start = int(handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0] or 0)
    handler.send_response(206 if start else 200)
    handler.send_header("ETag", f'"{checksum}"')
    handler.send_header("X-Repo-Commit", repository.commit)
    handler.send_header("Accept-Ranges", "bytes")
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
    handler.send_header("Content-Length", str(size - start))
    handler.end_headers()
    if handler.command == "GET":
        with path.open("rb") as file:
            file.seek(start)
            while piece := file.read(PIECE):
                handler.wfile.write(piece)
