"""Matching a person's own features with a corpus's clips, for stage ingest.

A row's name may be a clip_id, a file name or its stem. Where the corpus's code says that several files are
one take (RAVDESS: 01-, 02- and 03- of the same seven codes), the features of any of them are the clip's.
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from mfer_core.base.errors import ClipError, MferError
from mfer_core.base.features_file import open_features
from mfer_core.base.files import sha256_file, write_json
from mfer_core.base.manifest import Clip
from mfer_core.base.settings import Corpus
from mfer_core.corpora.registry import adapter

FILE = "precomputed.json"
LISTED_NAMES = 20  # At most so many names that fit no clip are listed.


def match_names(names: Iterable[str], clips: list[Clip], corpus: Corpus) -> dict[str, str]:
    """clip_id -> the name that stands for it in the features: its own, else the best of the same take."""
    reader = adapter(corpus.adapter)
    metadata = reader.prepare(Path(corpus.path), corpus)
    by_stem: dict[str, list[str]] = {}
    by_take: dict[str, list[tuple[int, str]]] = {}
    for name in sorted(names):
        by_stem.setdefault(PurePosixPath(name).stem, []).append(name)
        try:
            facts = reader.read(name, metadata)
        except ClipError:
            continue
        if facts.take:
            by_take.setdefault(facts.take, []).append((facts.rank, name))
    matches: dict[str, str] = {}
    for clip in clips:
        exact = [name for name in (clip.clip_id, clip.path) if name in names] or by_stem.get(
            PurePosixPath(clip.path).stem, []
        )
        take = reader.read(clip.path, metadata).take
        same = [name for _, name in sorted(by_take.get(take, []))] if take else []
        if exact or same:
            matches[clip.clip_id] = (exact or same)[0]
    _refuse_shared(matches)
    return matches


def _refuse_shared(matches: dict[str, str]) -> None:
    owners: dict[str, str] = {}
    for clip_id, name in matches.items():
        if name in owners:
            raise MferError(
                f"features of {name!r} could be those of {owners[name]} or of {clip_id}: name the clips by "
                "clip_id"
            )
        owners[name] = clip_id


def take_over(clips: list[Clip], corpus: Corpus, out: Path) -> list[str]:
    """Check the corpus's own features and write ``out``/precomputed.json, from which stage embed goes on; a
    line per modality.

    Raises MferError for a file that cannot be used, and for one that knows none of the clips.
    """
    (Path(out) / FILE).unlink(missing_ok=True)
    if corpus.source == "absent" or not corpus.precomputed:
        return []
    facts = {
        modality: _describe(clips, corpus, relative) for modality, relative in corpus.precomputed.items()
    }
    write_json(Path(out) / FILE, facts)
    return [_line(modality, len(clips), matches) for modality, matches in facts.items()]


def _describe(clips: list[Clip], corpus: Corpus, relative: Path) -> dict:
    path = Path(corpus.path) / relative
    features = open_features(path)
    rows = features.count_rows()
    names = match_names(rows.keys(), clips, corpus)
    if not names:
        raise MferError(
            f"{path} names none of the {len(clips)} clips: its first name is {min(rows)!r}, a clip is "
            f"called {clips[0].clip_id!r}"
        )
    unused = sorted(rows.keys() - set(names.values()))
    facts = {"file": str(relative), "sha256": sha256_file(path), "columns": features.columns, "names": names}
    return facts | {"unused": len(unused), "unused_names": unused[:LISTED_NAMES]}


def _line(modality: str, clips: int, facts: dict) -> str:
    """Every clip and every name of the file is accounted for."""
    known = len(facts["names"])
    text = (
        f"{modality} from {facts['file']}, {len(facts['columns'])} columns: {known} of {clips} clips, "
        f"{clips - known} without {modality}"
    )
    first = f", the first {facts['unused_names'][0]}" if facts["unused"] else ""
    return f"{text}; {facts['unused']} names of the file are of no clip{first}"
