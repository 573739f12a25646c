"""EmoBox: the metadata of its 32 corpora of emotional speech, one corpus at a time.

Source: https://github.com/emo-box/EmoBox (Ma et al. 2024, doi:10.21437/Interspeech.2024-788). Licence: MIT
for the metadata; each corpus has terms of its own. Size: that of the corpus. The language is the corpus's.

The corpus's folder is EmoBox's: downloads/<corpus>/... holds the sound, and data/<corpus>/ the metadata:
<corpus>.jsonl (a line per clip with key, wav and emo), label_map.json (what emo stands for) and
data.seg.wrd.stm (who speaks). Where data/ has several corpora, ``manifest`` says which:
data/emodb/emodb.jsonl. Its folds are not taken over: they share speakers in CREMA-D, ShEMO and URDU.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mfer_core.base.errors import ClipError, MferError, one_line
from mfer_core.base.files import read_object
from mfer_core.base.settings import Corpus
from mfer_core.corpora import contract, own_labels
from mfer_core.corpora.contract import Facts
from mfer_core.corpora.sources import Source

SOURCE = Source(
    page="https://github.com/emo-box/EmoBox",
    licence="MIT (metadata); the corpus's own terms",
    instructions="clone it, and put the corpus's sound where its jsonl says",
    layout="data/<corpus>/<corpus>.jsonl with label_map.json and data.seg.wrd.stm, and downloads/<corpus>/",
)
LANGUAGE = None
SPEAKER = re.compile(r"^(?P<key>\S+) \S+ (?P<speaker>\S+) ", re.MULTILINE)


@dataclass(frozen=True)
class Metadata:
    """The entries of the jsonl by path, what their ``emo`` stands for, speakers by key, and aliases."""

    entries: dict[str, dict]
    words: dict[str, str]
    speakers: dict[str, str]
    aliases: dict[str, str]


def prepare(folder: Path, corpus: Corpus) -> Metadata:
    """Raises MferError where the metadata are missing, of several corpora, or not as EmoBox writes them."""
    table = _table(folder, corpus)
    try:
        entries = {}
        for line in table.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            if not all(isinstance(entry[name], str) for name in ("key", "wav", "emo")):
                raise TypeError(f"key, wav and emo are words: {one_line(line, 80)}")
            entries[PurePosixPath(entry["wav"]).as_posix()] = {"key": entry["key"], "emo": entry["emo"]} | (
                {"part": True} if "start_time" in entry else {}
            )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise MferError(f"{table} is not EmoBox's: each line needs key, wav and emo") from error
    words = {name: str(word) for name, word in read_object(table.parent / "label_map.json").items()}
    listing = table.parent / "data.seg.wrd.stm"
    text = listing.read_text(encoding="utf-8") if listing.is_file() else ""
    speakers = {match["key"]: match["speaker"] for match in SPEAKER.finditer(text)}
    return Metadata(entries, words, speakers, dict(corpus.aliases))


def _table(folder: Path, corpus: Corpus) -> Path:
    if corpus.manifest:
        return folder / corpus.manifest
    metadata = [path for path in sorted(folder.glob("data/*/*.jsonl")) if path.stem == path.parent.name]
    if len(metadata) != 1:
        names = ", ".join(path.relative_to(folder).as_posix() for path in metadata) or "none"
        raise MferError(f"{folder} has metadata of {len(metadata)} corpora ({names}): name one as manifest")
    return metadata[0]


def find(folder: Path, metadata: Metadata) -> list[str]:
    """What the jsonl names, and whatever else lies in the folders of its recordings' corpus."""
    roots = {PurePosixPath(path).parts[:2] for path in metadata.entries}
    beside = [path for path in contract.find(folder, None) if PurePosixPath(path).parts[:2] in roots]
    return sorted({*metadata.entries, *beside})


def read(path: str, metadata: Metadata) -> Facts:
    """Facts from the jsonl. Raises ClipError "not in the manifest", "part of a file" or "label not used"."""
    entry = metadata.entries.get(path)
    if entry is None:
        raise ClipError("not in the manifest")
    if "part" in entry:
        raise ClipError("part of a file", "cut the recording as EmoBox's start_time and end_time say")
    word = metadata.words.get(entry["emo"], entry["emo"])
    return Facts(
        label=own_labels.emotion(word, metadata.aliases), speaker=metadata.speakers.get(entry["key"])
    )


def notes(folder: Path, metadata: Metadata) -> list[str]:
    """Says where no speaker is known."""
    if metadata.speakers:
        return []
    return ["data.seg.wrd.stm is not there, so no speaker is known and nobody can be kept out of training"]
