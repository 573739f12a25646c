"""The manifest (one row per clip that is used) and the rejects (one row per file that is not)."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd
import pyarrow as pa

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_table, write_table
from mfer_core.base.labels import EMOTIONS


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One clip. Unknown facts are None, never a guess; 'has_audio' means an audio track, not sound."""

    clip_id: str  # <corpus>/<stem>, stable across machines
    corpus: str
    path: str  # relative to the corpus's raw folder, "/" as separator
    sha256: str
    label: str  # one of mfer_core.base.labels.EMOTIONS, or a declared one
    speaker: str  # <corpus>-<id>: unique across corpora; the grouping unit of honest folds
    sex: str | None = None  # "female" or "male"
    age: int | None = None  # years, when the clip was recorded
    race: str | None = None  # as the corpus says it, in lower case
    ethnicity: str | None = None  # as the corpus says it, in lower case
    language: str | None = None  # ISO 639-1
    intensity: str | None = None
    statement: str | None = None
    repetition: str | None = None
    split: str | None = None  # the corpus's own official split, where it has one
    # What most of those said who were shown the picture, the sound or both: a label, several joined by ":".
    crowd_visual: str | None = None
    crowd_audio: str | None = None
    crowd_fused: str | None = None
    has_video: bool = False
    has_audio: bool = False
    duration_s: float | None = None
    width: int | None = None  # pixels
    height: int | None = None
    # Frames per second as the header says; only timestamps tell the time of a frame.
    rate: float | None = None
    sample_rate: int | None = None  # Hz


@dataclass(frozen=True, kw_only=True)
class Reject:
    """A file that is not used: where it fell out and why."""

    corpus: str
    path: str
    stage: str
    reason: str  # short, stable, counted
    detail: str = ""


# Reasons to leave out a file with which nothing is wrong.
BY_RULE = (
    *("song", "same take", "duplicate", "not in the manifest", "folder read already"),
    *("label not used", "whole dialogue"),
)

_TYPES = {"has_video": pa.bool_(), "has_audio": pa.bool_(), "duration_s": pa.float64(), "rate": pa.float64()}
_TYPES |= {name: pa.int64() for name in ("age", "width", "height", "sample_rate")}
MANIFEST_SCHEMA = pa.schema([(field.name, _TYPES.get(field.name, pa.string())) for field in fields(Clip)])
REJECTS_SCHEMA = pa.schema([(field.name, pa.string()) for field in fields(Reject)])


def validate(manifest: pd.DataFrame, corpus: str, declared: Iterable[str] = ()) -> None:
    """Raise MferError naming the first clip that breaks the contract; ``declared``: further labels that the
    settings name.
    """
    checks = {
        "duplicate clip_id": manifest.clip_id.duplicated(),
        "duplicate content": manifest.sha256.duplicated(),
        "unknown label": ~manifest.label.isin([*EMOTIONS, *declared]),
        "clip_id outside its corpus": ~manifest.clip_id.str.startswith(f"{corpus}/"),
        "speaker outside its corpus": ~manifest.speaker.str.startswith(f"{corpus}-"),
        "neither video nor audio": ~(manifest.has_video.astype(bool) | manifest.has_audio.astype(bool)),
    }
    for problem, bad in checks.items():
        if bad.any():
            raise MferError(f"manifest of {corpus}: {problem}: {manifest.clip_id[bad].iloc[0]}")


def clips_frame(clips: list[Clip]) -> pd.DataFrame:
    """Clips as a frame in clip_id order."""
    frame = pd.DataFrame([asdict(clip) for clip in clips], columns=MANIFEST_SCHEMA.names)
    return frame.sort_values("clip_id", ignore_index=True)


def write_manifest(path: Path, clips: list[Clip], corpus: str, declared: Iterable[str] = ()) -> pd.DataFrame:
    """Validate and write ``clips`` atomically; returns what ``read_manifest`` would read."""
    frame = clips_frame(clips)
    if len(frame):
        validate(frame, corpus, declared)
    table = pa.Table.from_pandas(frame, MANIFEST_SCHEMA, preserve_index=False)
    write_table(path, table)
    return table.to_pandas()


def read_manifest(path: Path) -> pd.DataFrame:
    """Raises MferError naming the file where it is missing or of another version."""
    return read_table(path, MANIFEST_SCHEMA.names, "stage ingest")


def write_rejects(path: Path, rejects: list[Reject]) -> pd.DataFrame:
    """Write ``rejects`` in path order; returns the frame written."""
    frame = pd.DataFrame([asdict(reject) for reject in rejects], columns=REJECTS_SCHEMA.names)
    frame = frame.sort_values(["path", "stage", "reason"], ignore_index=True)
    write_table(path, frame, REJECTS_SCHEMA)
    return frame


def summarise(
    corpus: str, stage: str, accepted: int, rejects: pd.DataFrame, limit: float, rejects_file: Path
) -> str:
    """One plain line of counts.

    Raises MferError when the share of rejects (listed in ``rejects_file``) is above ``limit``; files that a
    rule leaves out (BY_RULE) do not count there: of RAVDESS in full, songs and second files of a take are
    four fifths.
    """
    files = accepted + len(rejects)
    reasons = ", ".join(f"{count} {reason}" for reason, count in rejects.reason.value_counts().items())
    line = f"{stage} {corpus}: {files} found = {accepted} accepted + {len(rejects)} rejected" + (
        f" ({reasons})" if reasons else ""
    )
    faults = int((~rejects.reason.isin(BY_RULE)).sum())
    if faults and faults / (accepted + faults) > limit:
        raise MferError(f"{line}; more than rejects_limit={limit:.0%}: see {rejects_file}")
    return line
