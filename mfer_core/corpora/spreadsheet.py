"""Tables as spreadsheets write them, read where only one reading is possible.

Commas, semicolons or tabs; UTF-8 with or without a byte order mark, UTF-16 with one; any line ends; a first
line ``sep=;``; empty rows and columns at the edges; quoted cells. The delimiter is the one that gives the
needed columns. Everything else is refused with what to do: a cell never slips into another column, no
encoding is guessed.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mfer_core.base.errors import MferError, one_line

ADVICE = "save it as CSV UTF-8"
DELIMITERS = ",;\t|"
# The longer marks first: that of UTF-16 is the beginning of that of UTF-32.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # xlsx and ods are zips, xls is an OLE file
# Marks of direction and width that editors leave beside Arabic and Hebrew; nobody can see or type them.
_INVISIBLE = re.compile("[\u200b\u200e\u200f\u061c\u202a-\u202e\u2060\u2066-\u2069\ufeff]")


@dataclass(frozen=True)
class Line:
    """A row of a table with its location in the file."""

    location: str  # The file and the line in it, for messages.
    cells: dict[str, str]  # column -> text without blanks and invisible marks at its ends


def read_lines(path: Path, needed: tuple[str, ...]) -> list[Line]:
    """The rows of a csv or Parquet file by their columns, whose names are lower case.

    Raises MferError, with the line where there is one, for a file that is missing, in another encoding, no
    table, lacks one of the ``needed`` columns or has a column twice, and for a row with more cells than
    columns.
    """
    if path.suffix.lower() == ".parquet":
        return _parquet_lines(path, needed)
    text = _decode(path)
    header, delimiter, rows = _find_header(path, text, needed)
    lines = []
    for number, cells in _rows(path, rows, delimiter, header.line):
        location = f"{path}, line {number}"
        if any(cells[len(header.columns) :]):
            raise MferError(
                f"{location}: {len(cells)} cells and {len(header.columns)} columns: "
                f"write a cell that holds {delimiter!r} in double quotes"
            )
        named = dict(zip(header.columns, cells, strict=False))
        if named.pop("", ""):
            raise MferError(f"{location}: a cell in a column without a name")
        if any(named.values()):
            lines.append(Line(location, named))
    if not lines:
        raise MferError(f"{path} has a header and no rows")
    return lines


@dataclass(frozen=True)
class _Header:
    columns: list[str]
    line: int  # number of the header's line, counted from 1


def visible(text: str) -> str:
    """Text without invisible marks, and without blanks (also those that do not break) at its ends."""
    return _INVISIBLE.sub("", text).strip()


def _decode(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MferError(f"cannot read the manifest {path}: {error.strerror}") from error
    if content.startswith(_WORKBOOKS):
        raise MferError(f"{path} is a workbook, not a text: {ADVICE}")
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = 1 + content[: error.start].count(b"\n")
        name = encoding.removesuffix("-sig").upper()
        raise MferError(f"{path}, line {line}: the text is not {name}: {ADVICE}") from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line = 1 + text[: text.index("\0")].count("\n")
        raise MferError(f"{path}, line {line}: a NUL byte, the file is damaged or UTF-16: {ADVICE}")
    return text


def _find_header(path: Path, text: str, needed: tuple[str, ...]) -> tuple[_Header, str, str]:
    """The header, the delimiter, and the text after the header. Empty lines and ``#`` comments may stand
    before it.
    """
    lines = text.split("\n")
    first = 0
    delimiters = DELIMITERS
    while first < len(lines) and (not visible(lines[first]) or lines[first].startswith("#")):
        first += 1
    if first == len(lines):
        raise MferError(f"cannot read the manifest {path}: it is empty")
    if given := re.fullmatch('"?sep=(.)"?', lines[first]):
        first, delimiters = first + 1, given[1]
    line = lines[first] if first < len(lines) else ""
    headers = {sign: _columns(line, sign) for sign in delimiters}
    usable = [sign for sign, columns in headers.items() if set(needed) <= set(columns)]
    if not usable:
        best = max(headers.values(), key=len)
        missing = ", ".join(name for name in needed if name not in best)
        raise MferError(f"{path}: no column {missing}; it has {', '.join(filter(None, best))}")
    columns = headers[usable[0]]
    if repeated := {name for name in columns if name and columns.count(name) > 1}:
        raise MferError(f"{path}: column {', '.join(sorted(repeated))} is there twice")
    return _Header(columns, first + 1), usable[0], "\n".join(lines[first + 1 :])


def _columns(line: str, delimiter: str) -> list[str]:
    """The names in a header, none where its quotes do not go with the delimiter."""
    try:
        names = next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []
    columns = [visible(name).lower() for name in names]
    while columns and not columns[-1]:
        columns.pop()
    return columns


def _rows(path: Path, text: str, delimiter: str, above: int) -> Iterator[tuple[int, list[str]]]:
    """The number of each row's last line, after the ``above`` lines before ``text``, and its cells but empty
    last ones.
    """
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            cells = [visible(cell) for cell in row]
            while cells and not cells[-1]:
                cells.pop()
            yield above + reader.line_num, cells
    except csv.Error as error:
        raise MferError(
            f"cannot read the manifest {path}, line {above + reader.line_num}: {error}"
        ) from error


def _parquet_lines(path: Path, needed: tuple[str, ...]) -> list[Line]:
    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise MferError(f"cannot read the manifest {path}: {one_line(error)}") from error
    columns = [visible(name).lower() for name in table.column_names]
    missing = [name for name in needed if name not in columns]
    if missing or len(set(columns)) < len(columns):
        fault = f"no column {', '.join(missing)}" if missing else "a column is there twice"
        raise MferError(f"{path}: {fault}; it has {', '.join(columns)}")
    lines = []
    for number, row in enumerate(table.to_pylist(), 1):
        cells = ("" if value is None else visible(str(value)) for value in row.values())
        lines.append(Line(f"{path}, row {number}", dict(zip(columns, cells, strict=True))))
    return lines
