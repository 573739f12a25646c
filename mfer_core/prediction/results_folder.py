"""The stored results of every recording: written as soon as they are computed, and reused by a later run.

A recording's files have one name, each in the folder of its kind (``KINDS``): ``plots/<name>.png``,
``recordings/<name>.html``, ``elan/<name>.eaf`` and so on, and, written last, ``done/<name>.parquet`` with its
tables, notes and the key of everything that shaped them.
"""

import json
import re
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest, write_table
from mfer_core.base.folders import readable
from mfer_core.base.scratch import ScratchFolder

KINDS = {
    "plots": ".png",
    "recordings": ".html",
    "elan": ".eaf",
    "praat": ".TextGrid",
    "webvtt": ".vtt",
    "srt": ".srt",
    "done": ".parquet",
}
LONGEST_NAME = (
    100  # bytes of a recording's own name; file systems take 143 (encrypted ones) to 255 for all of it
)
_NO_FILE_NAME = re.compile(r'[\\/:*?"<>|]')  # Characters that file systems of other operating systems refuse.
_OURS = re.compile(rf".+-[0-9a-f]{{8}}({'|'.join(map(re.escape, KINDS.values()))})")
_FACTS = b"mfer"
MAIN = "main"  # In column ``person``: the rows of the main face and of all sound.
TABLES = ("table", "timeline")


@dataclass(frozen=True)
class Turn:
    """A stretch of one speaker's speech, seconds on the recording's clock."""

    start_s: float
    end_s: float
    speaker: str
    person: str | None  # whose face the voice belongs to; None where that is not clear


@dataclass(frozen=True)
class PersonResult:
    """One person of a recording with several: a face, a voice or both. Rows of the tables stand only where
    the person is seen or heard.
    """

    name: str
    seen_s: float
    spoken_s: float
    first_s: float  # on the recording's clock, as last_s
    last_s: float
    picture: bytes  # the largest of the person's face crops, encoded; empty for a voice alone
    table: pd.DataFrame
    timeline: pd.DataFrame

    @property
    def times(self) -> dict[str, float]:
        names = ("seen_s", "spoken_s", "first_s", "last_s")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class RecordingResult:
    """A recording's prediction without its media."""

    path: str  # The path as it can be shown.
    duration_s: float
    notes: list[str]
    table: pd.DataFrame  # of the main face and all sound, as ``timeline``
    timeline: pd.DataFrame
    people: list[PersonResult]  # everyone seen or heard, where there are several
    turns: list[Turn]

    def rows(self, kind: str) -> pd.DataFrame:
        """``table`` or ``timeline`` of the main rows and of everyone, told apart by column ``person``."""
        named = [(MAIN, self), *((one.name, one) for one in self.people)]
        return pd.concat([getattr(one, kind).assign(person=name) for name, one in named], ignore_index=True)


def result_name(path: Path) -> str:
    """A file name for a recording's results: its own, cut to ``LONGEST_NAME``, and a digest of its path."""
    stem = _NO_FILE_NAME.sub("_", readable(path.stem)).strip(". ") or "_"
    stem = stem.encode()[:LONGEST_NAME].decode(errors="ignore").strip(". ")
    return f"{stem}-{digest(readable(path))[:8]}"


class ResultsFolder:
    """A folder of results."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def check_writable(self) -> None:
        """Make the folder, and raise MferError where nothing can be written into it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=self.folder):
                pass  # It has no name, so that a kill here leaves none.
        except OSError as error:
            raise MferError(f"cannot write to {self.folder}: {error.strerror}: give another --out") from error

    def file(self, kind: str, path: Path) -> Path:
        """Where the file of a ``kind`` of ``KINDS`` lies for a recording."""
        return self.folder / kind / f"{result_name(path)}{KINDS[kind]}"

    def holds(self, path: Path, key: str, kinds: tuple[str, ...]) -> bool:
        """Whether the recording is done under this very key, with files of all ``kinds``."""
        if not all(self.file(kind, path).is_file() for kind in kinds):
            return False
        try:
            return self._facts(pq.read_schema(self.file("done", path)))["key"] == key
        except (OSError, pa.ArrowException, KeyError, ValueError):
            return False  # Another version wrote this file, so the recording is computed again.

    def write(self, path: Path, key: str, seen: RecordingResult) -> None:
        """Write a recording's tables, which mark it as done; its other files are there already."""
        rows = pd.concat([seen.rows(kind).assign(kind=kind) for kind in TABLES], ignore_index=True)
        facts = {"key": key, "path": seen.path, "duration_s": seen.duration_s, "notes": seen.notes}
        facts["people"] = [
            {"name": one.name, **one.times, "picture": b64encode(one.picture).decode()} for one in seen.people
        ]
        facts["turns"] = [asdict(turn) for turn in seen.turns]
        table = pa.Table.from_pandas(rows, preserve_index=False)
        metadata = {_FACTS: json.dumps(facts, ensure_ascii=False).encode()}
        write_table(self.file("done", path), table.replace_schema_metadata(metadata))

    def read(self, path: Path) -> RecordingResult:
        """Read the result that ``write`` stored."""
        table = pq.read_table(self.file("done", path), partitioning=None)
        facts, rows = self._facts(table.schema), table.to_pandas()

        def tables(person: str) -> dict[str, pd.DataFrame]:
            parts = {kind: rows[(rows.person == person) & (rows.kind == kind)] for kind in TABLES}
            return {kind: part[part.columns[:-2]].reset_index(drop=True) for kind, part in parts.items()}

        people = [
            PersonResult(**one | {"picture": b64decode(one["picture"])}, **tables(one["name"]))
            for one in facts["people"]
        ]
        known = {name: facts[name] for name in ("path", "duration_s", "notes")}
        turns = [Turn(**turn) for turn in facts["turns"]]
        return RecordingResult(**known, **tables(MAIN), people=people, turns=turns)

    @staticmethod
    def _facts(schema: pa.Schema) -> dict:
        return json.loads((schema.metadata or {})[_FACTS])

    def prune(self, paths: list[Path]) -> None:
        """Remove the files of recordings that are not among ``paths``: those of an earlier run over
        others.
        """
        names = {result_name(path) for path in paths}
        for kind in KINDS:
            for file in (self.folder / kind).glob("*"):
                if _OURS.fullmatch(file.name) and file.stem not in names:
                    file.unlink()


class PassingFolder(ResultsFolder):
    """A folder of results that is removed with this object."""

    def __init__(self) -> None:
        self._temporary = ScratchFolder()
        super().__init__(Path(self._temporary.name))
