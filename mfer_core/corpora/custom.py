"""A person's own set: clips in folders named by class, clips named like the reference report's, or a manifest.

Source, licence, size: theirs. Any of mp4 mov avi mkv webm flv wav flac mp3 m4a; names may hold spaces and any script.

A clip's label is, in this order,
1. the ``label`` column of ``corpora.<name>.manifest`` (csv or Parquet; see custom_manifest.py), where one is given;
2. the nearest folder above it that is a label or an alias (angry/..., غضب/...), and
3. the third field of its name between "_" (``x_P03_fear_2.MOV``), as the reference's own Arabic set has it;
where 2 and 3 are both there and disagree the clip is rejected. Aliases: mfer_core.base.labels, and ``corpora.<name>.aliases``.

A clip's speaker is the manifest's, or what ``corpora.<name>.speaker_pattern`` finds in its path (the group "speaker", or
else the first one). Without either all clips have the speaker "unknown": no speaker-disjoint evaluation is possible.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from mfer_core.base import settings
from mfer_core.base.errors import ClipError, MferError
from mfer_core.base.labels import canonical
from mfer_core.corpora import contract
from mfer_core.corpora.contract import AUDIO, VIDEO, Facts
from mfer_core.corpora.custom_manifest import Row, read_rows
from mfer_core.corpora.sources import Source

SOURCE = Source(
    page="your own recordings",
    licence="",
    how="",
    layout="a folder per class, names with the emotion as third field between _, or any names and a manifest",
)
LANGUAGE = None
SUFFIXES = AUDIO | VIDEO
LABEL_FIELD = 2  # of the name's parts between "_", counted from 0


@dataclass(frozen=True)
class Side:
    """What is read once: the person's aliases, speaker pattern and manifest rows by path."""

    aliases: dict[str, str] = field(default_factory=dict)
    speaker: re.Pattern | None = None
    rows: dict[str, Row] | None = None


def prepare(folder: Path, corpus: settings.Corpus) -> Side:
    """Raises MferError for a pattern or a manifest that cannot be read."""
    rows = read_rows(folder, corpus.manifest) if corpus.manifest else None
    return Side(dict(corpus.aliases), _speaker_pattern(corpus.speaker_pattern), rows)


def _speaker_pattern(text: str | None) -> re.Pattern | None:
    if text is None:
        return None
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise MferError(f"speaker_pattern {text!r} is not a regular expression: {error}") from error
    if not pattern.groups:
        raise MferError(
            f"speaker_pattern {text!r} needs a group: write (?P<speaker>...) around what names the speaker"
        )
    return pattern


def find(folder: Path, side: Side) -> list[str]:
    """Files found, and files that the manifest names, so that each is accounted for."""
    return sorted({*contract.find(folder, side), *(side.rows or {})})


def read(path: str, side: Side) -> Facts:
    """Raises ClipError "not in the manifest", "unknown label", "no label", "folder and name disagree" or "no speaker"."""
    if side.rows is None:
        return Facts(label=_label(PurePosixPath(path), side.aliases), speaker=_speaker(path, side.speaker))
    if path not in side.rows:
        raise ClipError("not in the manifest")
    row = side.rows[path]
    label = _canonical(row.label, side.aliases)
    if label is None:
        raise ClipError("unknown label", f"{row.label!r} in the manifest: add it to the corpus's aliases")
    speaker = row.speaker or _speaker(path, side.speaker)
    return Facts(label=label, speaker=speaker, **row.facts)


def notes(folder: Path, side: Side) -> list[str]:
    """Says what it costs that no speaker is known."""
    if side.speaker or any(row.speaker for row in (side.rows or {}).values()):
        return []
    return [
        "no speaker is known, so nobody can be kept out of training and results cannot be speaker-disjoint, which flatters them: "
        "give speaker_pattern, or a manifest with speakers"
    ]


def _canonical(name: str, aliases: dict[str, str]) -> str | None:
    try:
        return canonical(name, aliases)
    except MferError:
        return None


def _label(path: PurePosixPath, aliases: dict[str, str]) -> str:
    folders = (_canonical(part, aliases) for part in reversed(path.parent.parts))
    folder = next((label for label in folders if label), None)
    fields = path.stem.split("_")
    name = _canonical(fields[LABEL_FIELD], aliases) if len(fields) > LABEL_FIELD else None
    if folder and name and folder != name:
        raise ClipError(
            "folder and name disagree", f"folder says {folder}, name says {name}: give a manifest"
        )
    if not (folder or name):
        tried = (
            ", ".join(repr(part) for part in (*path.parent.parts, *fields[LABEL_FIELD : LABEL_FIELD + 1]))
            or "it lies in no folder"
        )
        raise ClipError(
            "no label",
            f"neither a folder nor the name's third field is a label ({tried}): add an alias or give a manifest",
        )
    return folder or name


def _speaker(path: str, pattern: re.Pattern | None) -> str | None:
    if pattern is None:
        return None
    match = pattern.search(path) if "/" in pattern.pattern else pattern.search(PurePosixPath(path).name)
    speaker = match and match.group("speaker" if "speaker" in pattern.groupindex else 1)
    if not speaker:
        raise ClipError("no speaker", f"speaker_pattern {pattern.pattern!r} does not match")
    return speaker
