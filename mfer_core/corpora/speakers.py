"""One spelling per speaker: otherwise the same voice could be in training and in test."""

import unicodedata
from collections import Counter, defaultdict
from dataclasses import replace

from mfer_core.base.labels import fold_name
from mfer_core.corpora.contract import Facts
from mfer_core.corpora.spreadsheet import visible


def unify_speakers(facts: dict[str, Facts]) -> tuple[dict[str, Facts], list[str]]:
    """Facts by path with one spelling per speaker, and what a person should know of it, one sentence each.

    Names that differ in case, blanks or Unicode's form only are one speaker, by the commonest spelling, of
    several the first. Names that also differ in accents or the like stay two speakers, and a sentence says
    so.
    """
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for fact in facts.values():
        if fact.speaker:
            spellings[_same_person(fact.speaker)][fact.speaker] += 1
    names = {key: max(counts, key=counts.__getitem__) for key, counts in spellings.items()}
    unified = {
        path: replace(fact, speaker=names[_same_person(fact.speaker)]) if fact.speaker else fact
        for path, fact in facts.items()
    }
    return unified, [*_merged(spellings, names), *_similar(names)]


def _same_person(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", visible(name)).casefold().split())


def _merged(spellings: dict[str, Counter[str]], names: dict[str, str]) -> list[str]:
    return [
        f"speaker {names[key]!r} is taken for one person with {', '.join(map(repr, sorted(others)))}"
        for key, counts in sorted(spellings.items())
        if (others := set(counts) - {names[key]})
    ]


def _similar(names: dict[str, str]) -> list[str]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names.values():
        groups[fold_name(name)].append(name)
    return [
        f"speakers {' and '.join(map(repr, sorted(group)))} are two people here: if they are one, write one "
        "name"
        for _, group in sorted(groups.items())
        if len(group) > 1
    ]
