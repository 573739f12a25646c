"""pip-audit against a folder of advisories, without a network.

    python -m benchmarks.advisories FOLDER .venv-audit/bin/pip-audit -r requirements.lock --disable-pip

FOLDER holds advisories in OSV's format (https://ossf.github.io/osv-schema/), one JSON file each, or the
archive of them that OSV offers (https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip). They are
served on loopback as OSV's own API, which pip-audit then asks. The exit status is pip-audit's.
"""

import argparse
import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

Advisories = dict[str, list[dict]]  # by the package's name
ECOSYSTEM = "PyPI"


def read_advisories(folder: Path) -> Advisories:
    """Every advisory below ``folder``, files and archives alike, that is not withdrawn.

    Raises SystemExit where there is none: an audit against nothing would find nothing.
    """
    texts = [path.read_bytes() for path in sorted(folder.rglob("*.json"))]
    for archive in sorted(folder.rglob("*.zip")):
        with zipfile.ZipFile(archive) as content:
            texts += [content.read(name) for name in content.namelist() if name.endswith(".json")]
    advisories: Advisories = {}
    for advisory in map(json.loads, texts):
        names = {canonicalize_name(part["package"]["name"]) for part in _parts(advisory)}
        for name in names if "withdrawn" not in advisory else ():
            advisories.setdefault(name, []).append(advisory)
    if not advisories:
        raise SystemExit(f"no advisory of {ECOSYSTEM} in {folder}: put OSV's JSON files or its all.zip there")
    return advisories


def affecting(advisories: Advisories, name: str, version: str) -> list[dict]:
    """The advisories that name this version of a package, by its number or by a range."""
    name = canonicalize_name(name)
    return [
        advisory
        for advisory in advisories.get(name, [])
        if any(
            _affects(part, version)
            for part in _parts(advisory)
            if canonicalize_name(part["package"]["name"]) == name
        )
    ]


def _parts(advisory: dict) -> Iterator[dict]:
    for part in advisory.get("affected", []):
        if part.get("package", {}).get("ecosystem") == ECOSYSTEM:
            yield part


def _affects(part: dict, version: str) -> bool:
    if version in part.get("versions", []):
        return True
    ranges = [one["events"] for one in part.get("ranges", []) if one["type"] == "ECOSYSTEM"]
    return any(_is_within(events, Version(version)) for events in ranges)


def _is_within(events: list[dict], version: Version) -> bool:
    """OSV's rule: the last event at or before a version says whether that is affected."""
    affected = False
    moments = [_moment(event) for event in events]
    for kind, number in sorted(filter(None, moments), key=lambda moment: moment[1]):
        if kind == "introduced" and version >= number:
            affected = True
        elif (kind == "fixed" and version >= number) or (kind == "last_affected" and version > number):
            affected = False
    return affected


def _moment(event: dict) -> tuple[str, Version] | None:
    """What happens at which version; None for an end at what is no version, which mends nothing."""
    kind, number = next(iter(event.items()))
    try:
        return kind, Version(number)
    except InvalidVersion:
        return (kind, Version("0")) if kind == "introduced" else None


@contextmanager
def served(advisories: Advisories) -> Iterator[str]:
    """The address at which OSV's query is answered on loopback."""

    class Query(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = affecting(advisories, asked["package"]["name"], asked["version"])
            body = json.dumps({"vulns": answer} if answer else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Query) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="pip-audit and its options")
    options = parser.parse_args()
    advisories = read_advisories(options.folder)
    print(f"{sum(map(len, advisories.values()))} advisories of {len(advisories)} packages", file=sys.stderr)
    with served(advisories) as address:
        command = [*options.command, "--vulnerability-service", "osv", "--osv-url", address]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
