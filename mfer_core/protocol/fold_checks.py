"""Assertions that nothing straddles the parts of a fold."""

import pandas as pd

from mfer_core.base.errors import MferError
from mfer_core.protocol.protocols import Protocol

# Two files of one take have all of these alike and differ in modality alone.
TAKE = ["speaker", "label", "intensity", "statement", "repetition"]


def _straddling(rows: pd.DataFrame, groups: pd.Series) -> str | None:
    """The first value of ``groups`` (aligned with ``rows``) that occurs in two parts."""
    parts = rows.part.groupby(groups).nunique()
    return None if (parts <= 1).all() else str(parts.index[parts > 1][0])


def _take(manifest: pd.DataFrame) -> pd.Series:
    """A name for the take behind each clip; clips whose take is not known count as their own."""
    known = manifest[TAKE].notna().all(axis=1)
    names = [" ".join(map(str, take)) for take in manifest[TAKE].itertuples(index=False)]
    return pd.Series(names, index=manifest.index).where(known, manifest.clip_id)


def check_folds(folds: pd.DataFrame, manifest: pd.DataFrame, rule: Protocol) -> None:
    """Raise MferError when a fold leaks what its protocol promises to hold out, or when a part is empty.

    Checked: clips, content hashes and takes in train, valid and test, unless the protocol is leaky by design;
    speakers, except under ``statement``, which keeps them; statements between test and the rest where one is
    held out.
    """
    rows = folds.merge(manifest.assign(take=_take(manifest)), on="clip_id", validate="many_to_one")
    for fold, part in rows.groupby("fold"):
        missing = {"train", "valid", "test"} - set(part.part)
        if missing:
            raise MferError(f"{rule.name} fold {fold}: no clip in {', '.join(sorted(missing))}")
        if not rule.leaky:
            _check_fold(part, rule, f"{rule.name} fold {fold}")


def check_corpora(clips: pd.DataFrame) -> None:
    """Raise MferError when a content occurs in two corpora: one of them may be trained on and the other
    tested.

    ``clips``: the manifests of all corpora that have a role, one below the other. Within a corpus ingest
    keeps one of each.
    """
    again = clips[clips.sha256.duplicated(keep=False)].sort_values(["sha256", "clip_id"])
    if len(again):
        first, second = again.clip_id.iloc[:2]
        raise MferError(
            f"{first} and {second} are one and the same recording ({len(again)} such clips): training and "
            "test would share it; "
            "take it out of one corpus, or one corpus out of roles"
        )


def _check_fold(rows: pd.DataFrame, rule: Protocol, fold_name: str) -> None:
    identities = {"clip": rows.clip_id, "content": rows.sha256}
    if rule.honest:
        identities["speaker"] = rows.speaker
    identities["take"] = rows["take"]
    for identity, values in identities.items():
        leak = _straddling(rows, values)
        if leak:
            raise MferError(f"{fold_name} leaks: {identity} {leak} is on both sides")
    if rule.holds_out_statement:
        outer = rows.assign(part=rows.part.where(rows.part == "test", "train"))
        if _straddling(outer, outer.statement):
            raise MferError(f"{fold_name} leaks: a statement is on both sides")
