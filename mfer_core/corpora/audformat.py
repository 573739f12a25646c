"""Databases in audEERING's audformat, as audb publishes emodb, crema-d and others.

Source: https://audeering.github.io/audformat (the format); each database names its own. Licence: the
database's, in its db.yaml. Size: the database's.

db.yaml declares tables and schemes; the tables lie beside it as db.<table>.csv or .parquet. Of the tables
that have a row per file a column ``emotion`` gives the label, and a column ``speaker`` the speaker, whose age
and gender a table or labels named speaker may give. A table with a row per segment of a file is not
read: a clip is a whole file.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from mfer_core.base.errors import ClipError, MferError, one_line
from mfer_core.base.settings import Corpus
from mfer_core.base.settings.reading import parse_yaml
from mfer_core.corpora import contract, own_labels
from mfer_core.corpora.contract import Facts
from mfer_core.corpora.sources import Source
from mfer_core.corpora.spreadsheet import Line, read_lines

SOURCE = Source(
    page="https://audeering.github.io/audformat",
    licence="the database's, in its db.yaml",
    instructions="load it with audb, or save it with audformat",
    layout="db.yaml, its tables as db.<table>.csv or .parquet, and the files that they name",
)
LANGUAGE = None
HEADER = "db.yaml"
YEARS = re.compile(r"\d{1,3}(\.\d*)?")
SEXES = {"female": "female", "male": "male"}


@dataclass(frozen=True)
class Metadata:
    """Words for the emotion and speakers by file, facts of the speakers, and aliases."""

    words: dict[str, str]
    speakers: dict[str, str]
    people: dict[str, dict[str, str]]
    aliases: dict[str, str]


def prepare(folder: Path, corpus: Corpus) -> Metadata:
    """Raises MferError where the header or a table is missing or cannot be read, or no table has emotions."""
    header = _header(folder)
    words: dict[str, str] = {}
    speakers: dict[str, str] = {}
    tables = _mapping(header, "tables", folder)
    for name in tables:
        table = _mapping(tables, name, folder)
        columns = _mapping(table, "columns", folder)
        if table.get("type") != "filewise" or not {"emotion", "speaker"} & set(columns):
            continue
        for line in _lines(folder, name, ("file",)):
            words |= {line.cells["file"]: line.cells["emotion"]} if line.cells.get("emotion") else {}
            speakers |= {line.cells["file"]: line.cells["speaker"]} if line.cells.get("speaker") else {}
    if not words:
        raise MferError(f"{folder / HEADER} declares no table with a row per file and a column emotion")
    return Metadata(words, speakers, _people(folder, header), dict(corpus.aliases))


def _header(folder: Path) -> dict[str, Any]:
    try:
        text = (folder / HEADER).read_text(encoding="utf-8")
    except OSError as error:
        raise MferError(f"cannot read {folder / HEADER}: put an audformat database into {folder}") from error
    header = parse_yaml(text, folder / HEADER, YAML(typ="safe"))
    if not isinstance(header, dict):
        raise MferError(f"{folder / HEADER} is no header of an audformat database")
    return header


def _mapping(values: dict[str, Any], name: str, folder: Path) -> dict[str, Any]:
    """What stands under ``name``; nothing where that is left out. Raises MferError for a list or a value."""
    value = values.get(name) or {}
    if not isinstance(value, dict):
        raise MferError(f"{folder / HEADER}: {one_line(name)} must be a mapping, not {one_line(value, 80)}")
    return value


def _lines(folder: Path, table: str, needed: tuple[str, ...]) -> list[Line]:
    for suffix in (".parquet", ".csv"):
        if (path := folder / f"db.{table}{suffix}").is_file():
            return read_lines(path, needed)
    raise MferError(f"{folder} has no db.{table}.csv or db.{table}.parquet: save the tables so")


def _people(folder: Path, header: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Facts by speaker: of the table named speaker, or of the labels of that scheme."""
    if "speaker" in _mapping(header, "misc_tables", folder):
        return {line.cells["speaker"]: line.cells for line in _lines(folder, "speaker", ("speaker",))}
    labels = _mapping(_mapping(header, "schemes", folder), "speaker", folder).get("labels")
    known = labels if isinstance(labels, dict) else {}
    return {
        str(name): {key: str(value) for key, value in facts.items()}
        for name, facts in known.items()
        if isinstance(facts, dict)
    }


def find(folder: Path, metadata: Metadata) -> list[str]:
    """All files but side files, and those that a table names."""
    return sorted({*contract.find(folder, None), *metadata.words})


def read(path: str, metadata: Metadata) -> Facts:
    """Facts from the tables. Raises ClipError "not in the manifest" or "label not used"."""
    if path not in metadata.words:
        raise ClipError("not in the manifest", "no table gives it an emotion")
    speaker = metadata.speakers.get(path)
    person = metadata.people.get(speaker or "", {})
    age = person.get("age", "")
    return Facts(
        label=own_labels.emotion(metadata.words[path], metadata.aliases),
        speaker=speaker,
        sex=SEXES.get(person.get("gender", "").lower()),
        age=int(float(age)) if YEARS.fullmatch(age) else None,
    )
