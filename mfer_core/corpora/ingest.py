"""Read a corpus into clips and rejects: every file found ends in exactly one of the two.

Rules, in this order: what cannot be read as a file, and a file with an unknown name, is rejected. Of the
files of one take the first that can be read is used, and the others are not even opened. Exact duplicates by
content are rejected (see select.py). What is left gets its clip_id.
"""

import logging
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from mfer_core.base import settings
from mfer_core.base.errors import ClipError, MferError
from mfer_core.base.folders import list_files, readable
from mfer_core.base.manifest import Clip, Reject
from mfer_core.base.progress import track
from mfer_core.corpora.contract import Adapter, Facts, Measured
from mfer_core.corpora.fetch import is_fetched
from mfer_core.corpora.registry import adapter
from mfer_core.corpora.select import Candidate, drop_duplicates, order_takes
from mfer_core.corpora.speakers import unify_speakers
from mfer_core.media.kinds import is_media

STAGE = "ingest"
DEMO_INDEX = ".demo.json"
UNKNOWN_SPEAKER = "unknown"
TAKEN_OVER = (
    *("sex", "age", "race", "ethnicity", "intensity", "statement", "repetition", "split"),
    *("crowd_visual", "crowd_audio", "crowd_fused"),
)
Measure = Callable[[list[str]], dict[str, Measured | ClipError]]
log = logging.getLogger("mfer")


class Ingested(NamedTuple):
    """A corpus's clips and rejects, in path order."""

    clips: list[Clip]
    rejects: list[Reject]
    notes: list[str]  # Notes for the person, one sentence each.


def ingest_corpus(name: str, corpus: settings.Corpus, workers: int) -> Ingested:
    """Clips, rejects and notes of a corpus; all empty where its source is "absent".

    Raises MferError for a folder that is missing, holds no files of the corpus, or is a synthetic one read as
    real.
    """
    if corpus.source == "absent":
        return Ingested([], [], [])
    reader = adapter(corpus.adapter)
    folder = check_folder(name, corpus)
    metadata = reader.prepare(folder, corpus)
    rejected = list_files(folder).faults
    paths = [path for path in reader.find(folder, metadata) if path not in rejected]
    if not (paths or rejected):
        raise MferError(f"{name}: no clips in {folder}: {reader.source.directions(folder)}")
    facts, notes = unify_speakers(_read_names(reader, paths, metadata, rejected))

    def measure(takes: list[str]) -> dict[str, Measured | ClipError]:
        return dict(track(reader.measure(folder, takes, metadata, workers), f"ingest {name}", len(takes)))

    accepted = drop_duplicates(_measure_takes(facts, measure, rejected), rejected)
    clips = _name_clips(name, reader.language, accepted)
    notes = [*reader.notes(folder, metadata), *notes]
    for clip in clips:
        log.debug("ingest %s: %s is %s, of %s", clip.clip_id, clip.path, clip.label, clip.speaker)
    for path, error in sorted(rejected.items()):
        log.debug("ingest %s: %s rejected: %s", name, readable(path), error)
    for note in notes:
        log.warning("%s: %s", name, note)
    return Ingested(clips, [_reject(name, path, error) for path, error in sorted(rejected.items())], notes)


def missing_message(name: str, corpus: settings.Corpus) -> str:
    """One line for a corpus whose folder is not there: where to get it and where to put it."""
    fetch = f"run `mfer fetch {name}`, or " if corpus.source == "fetch" else ""
    return f"{name}: no folder {corpus.path}: {fetch}{adapter(corpus.adapter).source.directions(corpus.path)}"


def check_folder(name: str, corpus: settings.Corpus) -> Path:
    """The corpus's folder. Raises MferError where it is missing, or holds a synthetic corpus that is read as
    a real one.
    """
    folder = Path(corpus.path)
    if not folder.is_dir():
        raise MferError(missing_message(name, corpus))
    if corpus.source != "demo" and (folder / DEMO_INDEX).exists():
        raise MferError(
            f"{name}: {folder} holds a synthetic corpus, and source is {corpus.source!r}: set path to the "
            "real one"
        )
    if corpus.source == "fetch" and not is_fetched(folder):
        raise MferError(
            f"{name}: {folder} is not fetched completely: `mfer fetch {name}` goes on where it stopped"
        )
    return folder


def _read_names(
    reader: Adapter, paths: list[str], metadata: Any, rejected: dict[str, ClipError]
) -> dict[str, Facts]:
    """The facts in the names; files whose names say nothing are added to ``rejected``."""
    facts: dict[str, Facts] = {}
    for path in paths:
        try:
            if readable(path) != path:
                raise ClipError("unusable name", "bytes that are not UTF-8, or control characters: rename it")
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise ClipError("unusable name", "it leads out of the corpus's folder")
            facts[path] = reader.read(path, metadata)
        except ClipError as error:
            other = error.reason == "unknown name" and not is_media(PurePosixPath(path))
            rejected[path] = ClipError("not a media file") if other else error
    return facts


def _measure_takes(
    facts: dict[str, Facts], measure: Measure, rejected: dict[str, ClipError]
) -> list[Candidate]:
    """Measure the best file of each take and, where that is of no use, the next best."""
    candidates, takes = [], order_takes(facts)
    while takes:
        measured, unread = measure(sorted(take[0] for take in takes)), []
        for best, *others in takes:
            result = _check_measured(facts[best], measured[best])
            if isinstance(result, ClipError):
                rejected[best] = result
                unread += [others] if others else []
                continue
            candidates.append(Candidate(best, facts[best], result))
            rejected |= {other: ClipError("same take", f"as {best}, which is used") for other in others}
        takes = unread
    return candidates


def _check_measured(facts: Facts, measured: Measured | ClipError) -> Measured | ClipError:
    if isinstance(measured, ClipError):
        return measured
    if facts.longest_s and (measured.media.duration_s or 0) > facts.longest_s:
        return ClipError(
            "too long", f"{measured.media.duration_s:.1f} s, its kind lasts at most {facts.longest_s:g} s"
        )
    if facts.silent_track and not measured.media.has_video:
        return ClipError("unreadable", "no video track in a video-only file")
    return measured


def _name_clips(name: str, language: str | None, accepted: list[Candidate]) -> list[Clip]:
    ids = clip_ids([candidate.path for candidate in accepted])
    return [_clip(name, language, ids[candidate.path], candidate) for candidate in accepted]


def clip_ids(paths: list[str]) -> dict[str, str]:
    """A unique id for each path: its stem; where stems repeat, the path without its suffix; where those do,
    the path.

    Ids are in Unicode's composed form (NFC), whatever form the file system uses.
    """
    forms = {path: _forms(unicodedata.normalize("NFC", path)) for path in paths}
    level = dict.fromkeys(paths, 0)
    while True:
        ids = {path: forms[path][level[path]] for path in paths}
        counts = Counter(ids.values())
        repeated = [path for path in paths if counts[ids[path]] > 1 and level[path] < 2]
        if not repeated:
            return ids
        level |= {path: level[path] + 1 for path in repeated}


def _forms(path: str) -> tuple[str, str, str]:
    pure = PurePosixPath(path)
    return pure.stem, pure.with_suffix("").as_posix(), path


def _clip(name: str, language: str | None, clip_id: str, candidate: Candidate) -> Clip:
    facts, measured = candidate.facts, candidate.measured
    media = vars(measured.media) | ({"has_audio": False, "sample_rate": None} if facts.silent_track else {})
    return Clip(
        clip_id=f"{name}/{clip_id}",
        corpus=name,
        path=candidate.path,
        sha256=measured.sha256,
        label=facts.label,
        speaker=f"{name}-{facts.speaker or UNKNOWN_SPEAKER}",
        language=facts.language or language,
        **{key: getattr(facts, key) for key in TAKEN_OVER},
        **media,
    )


def _reject(name: str, path: str, error: ClipError) -> Reject:
    return Reject(corpus=name, path=readable(path), stage=STAGE, reason=error.reason, detail=error.detail)
