"""Where a corpus comes from: a record that every corpus module fills in as its ``SOURCE``."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mfer_core.base.files import read_json
from mfer_core.corpora.download import Remote

# What can be fetched, by adapter: addresses, sizes in bytes and published checksums.
ADDRESSES = Path(__file__).with_name("addresses.json")


@dataclass(frozen=True, kw_only=True)
class Archive(Remote):
    """A zip to fetch and unpack."""

    strip: int = 0  # folders to take off the front of its members' paths
    keep: tuple[str, ...] = ("*",)  # patterns of members, after stripping
    plain: bool = False  # The archive is a single file that is not unpacked.


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where to get a corpus, and what can be fetched of it; neither archives nor a record: nothing can."""

    page: str
    licence: str  # The licence; empty for a person's own corpus.
    instructions: str  # The steps that a person takes to get the corpus.
    layout: str  # The files that then lie in the corpus's folder.
    lacks: str = ""  # What the corpus has and fetching does not bring, and how to get it.
    archives: tuple[Archive, ...] = ()
    record: str | None = None  # Zenodo's JSON of a record, in place of ``archives``
    record_files: tuple[str, ...] = ()  # patterns of the record's files
    clips: int = 0  # The number of clips, or of images, that its authors give.
    clip_s: float = 0.0  # mean length, seconds
    with_picture: float = 0.0  # share of the clips
    # Checksums of the record's files that are known beforehand.
    known: dict[str, str] = field(default_factory=dict)

    def directions(self, folder: Path) -> str:
        """One sentence: where the corpus is had and what to put into ``folder``."""
        if not self.licence:
            return f"put {self.page} into {folder}: {self.layout}"
        return (
            f"get it from {self.page} ({self.licence}): {self.instructions}; put into {folder}: {self.layout}"
        )


def addresses(adapter: str, table: Path = ADDRESSES) -> dict[str, Any]:
    """The fields of a ``Source`` that say what can be fetched, as a table has them."""
    entry = read_json(table)[adapter]
    archives = tuple(Archive(**archive) for archive in entry.pop("archives", ()))
    patterns = tuple(entry.pop("record_files", ()))
    return {"archives": archives, "record_files": patterns, **entry}
