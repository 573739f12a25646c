"""A stand-in of a model hub on loopback, with what Hugging Face's answers promise: a commit, checksums, a
redirect to another address for large files, and ranges.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from benchmarks.rehearsal.loopback import send, send_file, serving

LARGE = 1 << 20  # bytes; such files lie behind a redirect, as those in git-lfs do


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
def serving_models(repositories: list[Repository]) -> Iterator[str]:
    """Serve models; yields the address for HF_ENDPOINT."""
    by_name = {repository.name: repository for repository in repositories}
    with serving(lambda handler: _answer(handler, by_name)) as address:
        yield address


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
    send(handler, 200, {"Content-Type": "application/json"}, json.dumps(content).encode())


def _send_file(handler: BaseHTTPRequestHandler, repository: Repository, name: str, stored: bool) -> None:
    path, checksum = repository.folder / name, repository.checksums[name]
    headers = {"X-Repo-Commit": repository.commit}
    if path.stat().st_size > LARGE and not stored:
        linked = {"X-Linked-Etag": f'"{checksum}"', "X-Linked-Size": path.stat().st_size}
        location = {"Location": f"/{repository.name}/stored/{repository.commit}/{name}"}
        send(handler, 302, headers | linked | location)
        return
    send_file(handler, path, headers | {"ETag": f'"{checksum}"'})
