"""The trials that were made, of all processes and of all calls of the driver."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

from mfer_core.cache.code import ROOT


def version() -> str:
    """The commit of the code that is tried, with a + where it was changed; empty outside a repository."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


class Record:
    """The trials that were made, in a file of a line each, and a file for each that a process has claimed."""

    def __init__(self, folder: Path, version: str):
        self._path, self._claims, self._version = folder / "trials.jsonl", folder / "claims", version
        self.trials: dict[str, dict] = {}
        self._known = 0  # bytes of the file
        self.read()

    def read(self) -> None:
        """Look what other processes have made since."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._known)
            # What follows the last line's end is being written by another process.
            lines = file.read().rpartition(b"\n")[0]
        self._known += len(lines) + bool(lines)
        self.trials |= {entry["name"]: entry for entry in map(json.loads, lines.splitlines())}

    def first(self, beginning: str, end: str) -> dict | None:
        """The first trial, of whichever process, whose name begins and ends so; None where there is none."""
        self.read()
        names = (name for name in self.trials if name.startswith(beginning) and name.endswith(f"/{end}"))
        return self.trials.get(next(names, ""))

    def begin(self) -> None:
        """Before any process starts: look what was made; what nobody finished is claimed by nobody."""
        self.read()
        self._claims.mkdir(exist_ok=True)
        for claim in self._claims.iterdir():
            claim.unlink()

    def claim(self, name: str) -> bool:
        """Whether this process is the first that asks for ``name``."""
        try:
            os.close(os.open(self._claims / hashlib.md5(name.encode()).hexdigest(), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

    def add(self, entry: dict) -> None:
        """Keep a trial, and print its faults. Every process appends a whole line at once."""
        entry["version"] = self._version
        self.trials[entry["name"]] = entry
        file = os.open(self._path, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
        os.write(file, json.dumps(entry).encode() + b"\n")
        os.close(file)
        if entry["faults"] and not entry.get("plant"):
            print(f"{entry['name']}: {'; '.join(entry['faults'])}", flush=True)
