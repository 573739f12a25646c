"""The words of corpora that have classes beyond the eight emotions: a class is used where it is one of these,
where the settings declare it (``labels``), or where they say which one it shall be (``aliases`` of the
corpus).
"""

from pathlib import Path

from mfer_core.base.errors import ClipError, MferError
from mfer_core.base.labels import canonical
from mfer_core.base.settings import Corpus


def aliases(folder: Path, corpus: Corpus) -> dict[str, str]:
    """``prepare`` of a corpus whose names say all but what a person has its classes stand for."""
    return dict(corpus.aliases)


def emotion(word: str, aliases: dict[str, str]) -> str:
    """The emotion that a corpus's own ``word`` stands for. Raises ClipError "label not used" naming it."""
    try:
        return canonical(word, aliases)
    except MferError:
        raise ClipError(
            "label not used",
            f"{word} is none of the eight: labels.classes may declare it, or the corpus's aliases name one",
        ) from None
