"""Clip -> fold and part, for each protocol. The one place where it is decided who is held out."""

import logging
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.model_selection import GroupKFold, StratifiedKFold, train_test_split

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest
from mfer_core.base.settings import Folds
from mfer_core.protocol.fold_checks import check_folds
from mfer_core.protocol.protocols import (
    HELD_OUT,
    PARTS,
    PRESET_CORPUS,
    VALIDATION,
    Protocol,
    folds_of,
    protocol,
)

log = logging.getLogger("mfer")
FOLDS_SCHEMA = pa.schema(
    [("protocol", pa.string()), ("fold", pa.int32()), ("clip_id", pa.string()), ("part", pa.string())]
)
# The fold's number, and bool masks [N] of its train, valid and test part.
Split = tuple[int, np.ndarray, np.ndarray, np.ndarray]
REPORT_FOLDS = 5


def actor_number(speaker: str) -> int | None:
    """The number a speaker's name ends with (``ravdess-07`` -> 7), None without one."""
    number = re.search(r"(\d+)$", speaker)
    return int(number[1]) if number else None


def inner_speakers(speakers: pd.DataFrame, share: float, rng: np.random.Generator) -> set[str]:
    """Draw about ``share`` of the training speakers (columns speaker, sex), at least one and never all, the
    sexes in turn.
    """
    count = min(max(1, round(share * len(speakers))), len(speakers) - 1)
    shuffled = speakers.sort_values("speaker").iloc[rng.permutation(len(speakers))]
    rank = shuffled.groupby(shuffled.sex.fillna("unknown")).cumcount()  # The rank is within the sex.
    return set(shuffled.speaker[rank.sort_values(kind="stable").index].head(count))


def _inner(
    manifest: pd.DataFrame, outer: np.ndarray, settings: Folds, seed: int, name: str, fold: int
) -> np.ndarray:
    """Mask of the validation clips inside the ``outer`` training mask."""
    speakers = manifest[outer].drop_duplicates("speaker")[["speaker", "sex"]]
    if len(speakers) < 2:
        raise MferError(f"{name} fold {fold}: {len(speakers)} training speaker; an inner split needs two")
    rng = np.random.default_rng(int(digest(seed, name, fold), 16))
    return outer & manifest.speaker.isin(inner_speakers(speakers, settings.inner_share, rng)).to_numpy()


def _refuse_other_corpus(manifest: pd.DataFrame, rule: Protocol, adapter: str) -> None:
    """Raise MferError when the benchmark is not the corpus whose actors the preset numbers."""
    owner = PRESET_CORPUS[rule.speakers_by]
    if adapter != owner:
        raise MferError(
            f"{rule.name} numbers the actors of {owner}, and the benchmark is read by the adapter {adapter}: "
            "take loso or groupk:<folds> in folds.protocols"
        )
    groups = HELD_OUT[rule.speakers_by]
    strange = ~manifest.speaker.map(actor_number).isin(frozenset().union(*groups))
    if rule.speakers_by not in VALIDATION and strange.any():
        raise MferError(f"{rule.name} does not know the speaker {manifest.speaker[strange].iloc[0]}")


def _preset_splits(
    manifest: pd.DataFrame, rule: Protocol, settings: Folds, seed: int, adapter: str
) -> Iterator[Split]:
    _refuse_other_corpus(manifest, rule, adapter)
    actors = manifest.speaker.map(actor_number)
    for fold, group in enumerate(HELD_OUT[rule.speakers_by]):
        test = actors.isin(group).to_numpy()
        if not test.any() or test.all():
            log.info(
                "%s: fold %d dropped, none of its actors %s is %s",
                rule.name,
                fold,
                sorted(group),
                "present" if test.all() else "here",
            )
            continue
        held = VALIDATION.get(rule.speakers_by)
        valid = (
            actors.isin(held).to_numpy()
            if held
            else _inner(manifest, ~test, settings, seed, rule.speakers_by, fold)
        )
        yield fold, ~test & ~valid, valid, test


def _leaky_splits(manifest: pd.DataFrame, rule: Protocol, settings: Folds, seed: int) -> Iterator[Split]:
    """The reference's folds: clips shuffled, stratified by emotion, seed 42; speakers on both sides."""
    splitter = StratifiedKFold(REPORT_FOLDS, shuffle=True, random_state=42)
    for fold, (outer, held) in enumerate(splitter.split(manifest, manifest.label)):
        test = np.isin(np.arange(len(manifest)), held)
        if rule.name == "report5":
            yield fold, ~test, test, test
            continue
        chosen = train_test_split(
            outer,
            test_size=settings.inner_share,
            random_state=seed,
            stratify=manifest.label.iloc[outer],
        )[1]
        valid = np.isin(np.arange(len(manifest)), chosen)
        yield fold, ~test & ~valid, valid, test


def _held_out_splits(
    manifest: pd.DataFrame, tests: list[np.ndarray], rule: Protocol, settings: Folds, seed: int
) -> Iterator[Split]:
    for fold, test in enumerate(tests):
        valid = _inner(manifest, ~test, settings, seed, rule.speakers_by, fold)
        yield fold, ~test & ~valid, valid, test


def _second_statement(manifest: pd.DataFrame) -> np.ndarray:
    """Mask of the clips in the second of two statements. Raises MferError when there are not two."""
    statements = sorted(manifest.statement.dropna().unique())
    if len(statements) != 2 or manifest.statement.isna().any():
        raise MferError(
            f"protocol statement needs a corpus of two statements: found {', '.join(statements) or 'none'}"
        )
    return (manifest.statement == statements[1]).to_numpy()


def _with_new_statement(splits: Iterator[Split], second: np.ndarray) -> Iterator[Split]:
    """The same folds, tested on the second statement and trained on the first; the other clips are in no
    part.
    """
    for fold, train, valid, test in splits:
        yield fold, train & ~second, valid & ~second, test & second


def _group_tests(manifest: pd.DataFrame, count: int, seed: int) -> list[np.ndarray]:
    speakers = manifest.speaker.nunique()
    if count > speakers:
        raise MferError(f"groupk:{count} needs {count} speakers: the corpus has {speakers}")
    splitter = GroupKFold(count, shuffle=True, random_state=seed)
    return [
        np.isin(np.arange(len(manifest)), held)
        for _, held in splitter.split(manifest, groups=manifest.speaker)
    ]


def _splits(
    manifest: pd.DataFrame, rule: Protocol, settings: Folds, seed: int, adapter: str
) -> Iterator[Split]:
    if rule.holds_out_statement and rule.honest:
        by_speaker = _splits(manifest, protocol(rule.speakers_by), settings, seed, adapter)
        return _with_new_statement(by_speaker, _second_statement(manifest))
    if rule.kind == "preset":
        return _preset_splits(manifest, rule, settings, seed, adapter)
    if rule.leaky:
        return _leaky_splits(manifest, rule, settings, seed)
    if rule.kind == "loso":
        tests = [(manifest.speaker == speaker).to_numpy() for speaker in sorted(manifest.speaker.unique())]
    elif rule.kind == "statement":
        tests = [_second_statement(manifest)]
    else:
        tests = _group_tests(manifest, folds_of(rule.name), seed)
    return _held_out_splits(manifest, tests, rule, settings, seed)


def protocol_folds(
    manifest: pd.DataFrame, name: str, settings: Folds, seed: int, adapter: str
) -> pd.DataFrame:
    """The folds of one protocol (rows of FOLDS_SCHEMA), checked. Fold numbers are the preset's own, also
    where some are dropped.
    """
    rule = protocol(name)
    rows = []
    for fold, *masks in _splits(manifest, rule, settings, seed, adapter):
        for part, mask in zip(PARTS, masks, strict=True):
            rows.append(
                pd.DataFrame(
                    {"protocol": name, "fold": fold, "clip_id": manifest.clip_id[mask], "part": part}
                )
            )
    if not rows:
        raise MferError(f"{name} has no fold on this corpus: none of its actors is present")
    folds = pd.concat(rows, ignore_index=True)
    check_folds(folds, manifest, rule)
    return folds


def accepted_clips(manifest: pd.DataFrame, extracted: pd.DataFrame) -> pd.DataFrame:
    """The clips of a manifest that extraction accepted (``extracted``: its facts by clip_id); the log says
    what is not whole.

    Raises MferError when extraction has not seen a clip of the manifest, or accepted none.
    """
    if unseen := sorted(set(manifest.clip_id) - set(extracted.index)):
        raise MferError(f"{unseen[0]} was not extracted ({len(unseen)} such clips): run extract again")
    facts = extracted.loc[manifest.clip_id]
    accepted = facts.reason.isna()
    pictures, sound = facts.frame_count > 0, facts.speech_s.notna()
    counts = {
        "rejected by extraction": ~accepted,
        "without sound, in the image arm and the fusion only": accepted & pictures & ~sound,
        "without pictures, in the audio arm and the fusion only": accepted & sound & ~pictures,
    }
    for reason, mask in counts.items():
        if mask.any():
            log.info(
                "folds: %d of %d clips %s, first %s", mask.sum(), len(facts), reason, facts.index[mask][0]
            )
    if not accepted.any():
        raise MferError("extraction accepted no clip of the benchmark: see its rejects")
    return manifest[accepted.to_numpy()]


def make_folds(manifest: pd.DataFrame, settings: Folds, seed: int, adapter: str) -> pd.DataFrame:
    """Folds of every protocol in the settings: columns protocol, fold, clip_id, part (train, valid or test).

    ``adapter`` is what reads the corpus: a preset of published actors is refused on any corpus but its own.
    Under ``report5`` a test clip is also a valid clip, since the reference picks its checkpoint there. Raises
    MferError on an unknown protocol, one that does not fit the corpus, or folds that leak.
    """
    ordered = manifest.sort_values("clip_id", ignore_index=True)
    return pd.concat(
        [protocol_folds(ordered, name, settings, seed, adapter) for name in settings.protocols],
        ignore_index=True,
    )
