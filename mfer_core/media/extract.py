"""The extract stage over shards: what is there stays, what is missing is computed, what failed is a row with its reason."""

import os
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mfer_core.base.errors import ClipError
from mfer_core.base.files import digest
from mfer_core.base.manifest import Reject, write_rejects
from mfer_core.base.settings import Extract
from mfer_core.cache.code import code_digest
from mfer_core.cache.schemas import EXTRACTED, FRAMES, WAVEFORMS
from mfer_core.cache.shards import Shard, ShardFolder, read_shards
from mfer_core.media.apart import ClipProcess
from mfer_core.media.result import ExtractedClip

# What only says how the work is cut and judged; vad_min_clip_s is applied at reading (see read.py).
SHAPES_NOTHING = {"shard_clips", "rejects_limit", "vad_min_clip_s"}
LIBRARIES = ("av", "mtcnn-runtime", "opencv-python-headless", "silero-vad", "torchaudio")
SCHEMAS = {"frames": FRAMES, "waveforms": WAVEFORMS, "clips": EXTRACTED}  # in the order they are written


def extract_keys(manifest: pd.DataFrame, settings: Extract) -> dict[str, str]:
    """clip_id -> key of everything that shapes its rows: content, settings, code, libraries."""
    shape = settings.model_dump(exclude=SHAPES_NOTHING)
    code = code_digest("mfer_core.media.apart")
    libraries = {name: version(name) for name in LIBRARIES}
    return {row.clip_id: digest(row.sha256, shape, code, libraries) for row in manifest.itertuples()}


def extract_shard(
    shard: Shard,
    manifest: pd.DataFrame,
    raw: Path,
    out: Path,
    corpus: str,
    settings: Extract,
    workers: int = 1,
) -> dict[str, int]:
    """Extract the clips of one shard that are not there yet; ``raw`` is the corpus's folder, ``out`` is data/extract.

    ``workers`` such calls share the machine's cores. Writes frames, waveforms, then clips, which commits the shard. Safe in threads and in processes side by side.
    Returns counts: clips, computed, rejected.
    """
    folders = _folders(out, corpus)
    held = {name: folder.reusable(shard) for name, folder in folders.items()}
    whole = _whole(held)
    todo = {clip_id: key for clip_id, key in shard.keys.items() if clip_id not in whole}
    if todo or not _holds(folders, shard, held["clips"]):
        paths = dict(zip(manifest.clip_id, manifest.path, strict=True))
        threads = max(1, (os.cpu_count() or 1) // workers)
        with ClipProcess(settings, threads) as process:
            fresh = _tables(
                (clip_id, key, _extract(process, Path(raw) / paths[clip_id])) for clip_id, key in todo.items()
            )
        for name, folder in folders.items():
            kept = held[name].filter(pc.is_in(held[name]["clip_id"], pa.array(sorted(whole), pa.string())))
            held[name] = pa.concat_tables([kept, fresh[name]])
            folder.write(shard, held[name])
    return {
        "clips": len(shard.keys),
        "computed": len(todo),
        "rejected": pc.sum(pc.is_valid(held["clips"]["reason"])).as_py() or 0,
    }


def finish_extract(
    shards: list[Shard], manifest: pd.DataFrame, out: Path, corpus: str
) -> tuple[int, pd.DataFrame]:
    """Remove shards that no longer belong and write clips/<corpus>/rejects.parquet; call it once every shard is there.

    Returns how many clips are accepted, and the rejects.
    """
    for folder in _folders(out, corpus).values():
        folder.folder.mkdir(parents=True, exist_ok=True)  # a corpus without clips has folders too
        folder.prune(shards)
    paths = dict(zip(manifest.clip_id, manifest.path, strict=True))
    rejects, accepted = [], 0
    for table in read_shards(Path(out) / "clips" / corpus, ["clip_id", "reason", "detail"]):
        for row in table.to_pylist():
            if row["reason"] is None:
                accepted += 1
            else:
                rejects.append(
                    Reject(
                        corpus=corpus,
                        path=paths[row["clip_id"]],
                        stage="extract",
                        reason=row["reason"],
                        detail=row["detail"],
                    )
                )
    return accepted, write_rejects(Path(out) / "clips" / corpus / "rejects.parquet", rejects)


def _folders(out: Path, corpus: str) -> dict[str, ShardFolder]:
    return {name: ShardFolder(Path(out) / name / corpus, schema) for name, schema in SCHEMAS.items()}


def _whole(held: dict[str, pa.Table]) -> set[str]:
    """The clips that are committed and whose frames and waveform are really there."""
    counts = held["frames"]["clip_id"].value_counts().to_pylist()
    frames = {count["values"]: count["counts"] for count in counts}
    sounding = set(held["waveforms"]["clip_id"].to_pylist())
    rows = held["clips"].select(["clip_id", "frames", "speech_s"]).to_pylist()
    return {
        row["clip_id"]
        for row in rows
        if frames.get(row["clip_id"], 0) == row["frames"]
        and (row["speech_s"] is None or row["clip_id"] in sounding)
    }


def _holds(folders: dict[str, ShardFolder], shard: Shard, clips: pa.Table) -> bool:
    """Whether the three files hold exactly what the clips' rows say."""
    rows = clips.select(["clip_id", "frames", "speech_s"]).to_pylist()
    seen = {row["clip_id"]: shard.keys[row["clip_id"]] for row in rows if row["frames"]}
    heard = {row["clip_id"]: shard.keys[row["clip_id"]] for row in rows if row["speech_s"] is not None}
    expected = {"frames": seen, "waveforms": heard, "clips": shard.keys}
    return all(folder.holds(Shard(shard.name, expected[name])) for name, folder in folders.items())


def _extract(process: ClipProcess, path: Path) -> ExtractedClip:
    """A clip's failure is a result too."""
    try:
        return process.extract(path)
    except ClipError as error:
        return ExtractedClip(
            [], None, {"reason": error.reason, "detail": error.detail, "frames": 0, "frames_with_face": 0}
        )


def _tables(results: Iterable[tuple[str, str, ExtractedClip]]) -> dict[str, pa.Table]:
    """The rows of some clips as the stage's three tables."""
    rows: dict[str, list[dict]] = {name: [] for name in SCHEMAS}
    for clip_id, key, clip in results:
        keyed = {"clip_id": clip_id, "key": key}
        rows["frames"] += [keyed | frame for frame in clip.frames]
        rows["waveforms"] += [keyed | clip.waveform] if clip.waveform else []
        rows["clips"].append(keyed | clip.facts)
    return {name: pa.Table.from_pylist(rows[name], schema) for name, schema in SCHEMAS.items()}
