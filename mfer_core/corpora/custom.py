"""A person's own set: clips in folders named by class, clips named like the reference report's, or a
manifest.

Source, licence, size: theirs. Sound or video of any kind (mfer_core.media.kinds); names may hold spaces and
any script.

A clip's label is
- the ``label`` column of ``corpora.<name>.manifest`` (csv or Parquet; see custom_manifest.py), where one is
  given; else
- what the folders above it that are labels or aliases say (angry/..., غضب/...), and the third field of its
  name between
  "_" (``x_P03_fear_2.MOV``), as the reference's own Arabic set has it. Where two of these disagree the clip
  is rejected.
Aliases: mfer_core.base.labels, and ``corpora.<name>.aliases``.

A clip's speaker is the manifest's, or what ``corpora.<name>.speaker_pattern`` finds in its path (the group
"speaker", or else the first one). Without either all clips have the speaker "unknown": no speaker-disjoint
evaluation is possible.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from mfer_core.base import settings
from mfer_core.base.errors import ClipError, MferError
from mfer_core.base.labels import canonical
from mfer_core.corpora import contract
from mfer_core.corpora.contract import Facts
from mfer_core.corpora.custom_manifest import FileNames, ManifestRow, read_rows
from mfer_core.corpora.sources import Source

SOURCE = Source(
    page="your own recordings",
    licence="",
    instructions="",
    layout="a folder per class, names with the emotion as third field between _, or any names and a manifest",
)
LANGUAGE = None
LABEL_FIELD = 2  # The label's position among the name's parts between "_", counted from 0.


@dataclass(frozen=True)
class Metadata:
    """The person's aliases and speaker pattern, the manifest's rows by path, and the files that are there."""

    aliases: dict[str, str] = field(default_factory=dict)
    speaker: re.Pattern | None = None
    rows: dict[str, ManifestRow] | None = None
    names: FileNames = field(default_factory=lambda: FileNames([]))


def prepare(folder: Path, corpus: settings.Corpus) -> Metadata:
    """Raises MferError for a manifest that cannot be read."""
    pattern = re.compile(corpus.speaker_pattern) if corpus.speaker_pattern else None
    if not corpus.manifest:
        return Metadata(dict(corpus.aliases), pattern)
    names = FileNames(contract.find(folder, None))
    rows = read_rows(folder, corpus.manifest, names)
    return Metadata(dict(corpus.aliases), pattern, rows, names)


def find(folder: Path, metadata: Metadata) -> list[str]:
    """Files found, and files that the manifest names, so that each is accounted for."""
    return sorted({*contract.find(folder, metadata), *(metadata.rows or {})})


def read(path: str, metadata: Metadata) -> Facts:
    """Facts from the manifest, or from folders and name.

    Raises ClipError "not in the manifest", "missing file", "unknown label", "no label", "folders disagree",
    "folder and name disagree" or "no speaker".
    """
    if metadata.rows is None:
        return Facts(
            label=_label(PurePosixPath(path), metadata.aliases), speaker=_speaker(path, metadata.speaker)
        )
    if path not in metadata.rows:
        raise ClipError("not in the manifest")
    if path not in metadata.names:
        similar = ", ".join(metadata.names.similar(path)[:3])
        raise ClipError("missing file", f"named by the manifest; is {similar} meant?" if similar else "")
    row = metadata.rows[path]
    label = _canonical(row.label, metadata.aliases)
    if label is None:
        raise ClipError("unknown label", f"{row.label!r} in the manifest: add it to the corpus's aliases")
    facts: dict[str, Any] = row.facts
    return Facts(label=label, speaker=row.speaker or _speaker(path, metadata.speaker), **facts)


def notes(folder: Path, metadata: Metadata) -> list[str]:
    """Says what it costs that no speaker is known."""
    if metadata.speaker or any(row.speaker for row in (metadata.rows or {}).values()):
        return []
    return [
        "no speaker is known, so nobody can be kept out of training and results cannot be speaker-disjoint, "
        "which flatters them: give speaker_pattern, or a manifest with speakers"
    ]


def _canonical(name: str, aliases: dict[str, str]) -> str | None:
    try:
        return canonical(name, aliases)
    except MferError:
        return None


def _label(path: PurePosixPath, aliases: dict[str, str]) -> str:
    """The one label that all folders and the name's third field agree on."""
    folders = {part: label for part in path.parent.parts if (label := _canonical(part, aliases))}
    fields = path.stem.split("_")
    name = _canonical(fields[LABEL_FIELD], aliases) if len(fields) > LABEL_FIELD else None
    if len(set(folders.values())) > 1:
        said = ", ".join(f"{part} says {label}" for part, label in folders.items())
        raise ClipError("folders disagree", f"{said}: give a manifest")
    label = next(iter(folders.values()), name)
    if name and label != name:
        raise ClipError("folder and name disagree", f"folder says {label}, name says {name}: give a manifest")
    if label is None:
        words = [*path.parent.parts, *fields[LABEL_FIELD : LABEL_FIELD + 1]]
        tried = ", ".join(map(repr, words)) or "it lies in no folder"
        raise ClipError(
            "no label",
            f"neither a folder nor the name's third field is a label ({tried}): add an alias or give a "
            "manifest",
        )
    return label


def _speaker(path: str, pattern: re.Pattern | None) -> str | None:
    if pattern is None:
        return None
    match = pattern.search(path) if "/" in pattern.pattern else pattern.search(PurePosixPath(path).name)
    speaker = match and match.group("speaker" if "speaker" in pattern.groupindex else 1)
    if not speaker:
        raise ClipError("no speaker", f"speaker_pattern {pattern.pattern!r} does not match")
    return speaker
