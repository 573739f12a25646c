"""The table a person writes for their own set: csv as spreadsheets write it (see spreadsheet.py), or Parquet.

Columns: ``path`` (relative to the set's folder) and ``label``; and, where known, ``speaker``, ``sex``,
``age`` (years), ``race``, ``ethnicity``, ``language``, ``intensity``, ``statement``, ``repetition``,
``split``. Other columns are left alone. An empty cell is an unknown fact.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mfer_core.base.errors import MferError
from mfer_core.corpora.spreadsheet import Line, read_lines, visible

REQUIRED = ("path", "label")
FACTS = ("sex", "age", "race", "ethnicity", "language", "intensity", "statement", "repetition", "split")
SEXES = {"f": "female", "female": "female", "m": "male", "male": "male"}
_DRIVE = re.compile("[A-Za-z]:")
_YEARS = re.compile(r"\d{1,3}(\.0)?")  # Parquet keeps a column with empty cells as floating numbers.


@dataclass(frozen=True)
class ManifestRow:
    label: str
    speaker: str | None
    facts: dict[str, str | int]


def read_rows(folder: Path, manifest: Path, names: "FileNames") -> dict[str, ManifestRow]:
    """Rows by path: that of the file in ``folder`` which a row means, else what it says.

    ``manifest`` is looked for in the set's folder, then from where the program runs. Raises MferError for a
    table that cannot be read (see ``read_lines``), names a file twice, leaves the folder, names a sex that is
    neither female nor male, or an age that is no number of years.
    """
    table = folder / manifest if (folder / manifest).is_file() else manifest
    rows: dict[str, ManifestRow] = {}
    locations: dict[str, str] = {}
    for line in read_lines(table, REQUIRED):
        path = names.match(_inside(line, folder))
        if path in rows:
            raise MferError(f"{line.location}: {path} is there twice: see {locations[path]}")
        rows[path], locations[path] = _row(line), line.location
    return rows


class FileNames:
    """Finds the file that a written name means, where it can only mean one.

    A name is compared as it stands, then in Unicode's composed form without invisible marks (a Mac's zip
    decomposes names), then without regard to case.
    """

    def __init__(self, files: Iterable[str]):
        self._files = set(files)
        self._forms: list[dict[str, list[str]]] = [{}, {}]
        self._names: dict[str, list[str]] = {}
        for file in sorted(self._files):
            for word in {PurePosixPath(file).name, PurePosixPath(file).stem}:
                self._names.setdefault(word, []).append(file)
            for forms, form in zip(self._forms, _forms(file), strict=True):
                forms.setdefault(form, []).append(file)

    def __contains__(self, file: str) -> bool:
        return file in self._files

    def match(self, name: str) -> str:
        """The file meant by ``name``, or ``name`` itself where there is none or more than one."""
        for text in (name, name.replace("\\", "/")):
            path = PurePosixPath(text).as_posix()
            if path in self._files:
                return path
            for forms, form in zip(self._forms, _forms(path), strict=True):
                if len(files := forms.get(form, [])) == 1:
                    return files[0]
        return PurePosixPath(name.replace("\\", "/")).as_posix()

    def similar(self, name: str) -> list[str]:
        """Files of the same name in another folder, or with another suffix."""
        return self._names.get(PurePosixPath(name).name) or self._names.get(PurePosixPath(name).stem, [])


def _forms(path: str) -> tuple[str, str]:
    composed = unicodedata.normalize("NFC", visible(path))
    return composed, unicodedata.normalize("NFC", composed.casefold())


def _inside(line: Line, folder: Path) -> str:
    """A path relative to the set's folder; also where the row gives it from the root of the file system."""
    text = line.cells.get("path", "")
    path = PurePosixPath(text)
    for root in (folder.absolute(), folder.resolve()):
        if path.is_absolute() and path.is_relative_to(root):
            path = path.relative_to(root)
            text = path.as_posix()
    parts = PurePosixPath(text.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or _DRIVE.match(text):
        raise MferError(f"{line.location}: {text!r} is not a path inside the set's folder, {folder}")
    return text


def _row(line: Line) -> ManifestRow:
    facts: dict[str, str | int] = {name: line.cells[name] for name in FACTS if line.cells.get(name)}
    if "sex" in facts:
        sex = line.cells["sex"].lower()
        if sex not in SEXES:
            raise MferError(f"{line.location}: sex {facts['sex']!r}: write female or male, or leave it empty")
        facts["sex"] = SEXES[sex]
    if "age" in facts:
        if not _YEARS.fullmatch(line.cells["age"]):
            raise MferError(f"{line.location}: age {facts['age']!r}: write whole years, or leave it empty")
        facts["age"] = int(float(line.cells["age"]))
    return ManifestRow(line.cells.get("label", ""), line.cells.get("speaker") or None, facts)
