"""What a small corpus in a real layout is made of."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mfer_core.base.settings import Corpus
from tests.corpora.media_files import write_any


@dataclass(frozen=True)
class Layout:
    adapter: str
    build: Callable[[Path], None]
    labels: dict[str, int]  # accepted clips by label
    speakers: int
    rejects: dict[str, int] = field(default_factory=dict)  # by reason
    corpus: dict = field(default_factory=dict)  # further settings

    def settings(self, folder: Path, **changes) -> Corpus:
        return Corpus(adapter=self.adapter, path=folder, **({"source": "local"} | self.corpus | changes))


def write_all(folder: Path, *names: str, first: int = 0) -> None:
    for number, name in enumerate(names, first):
        write_any(folder / name, number)
