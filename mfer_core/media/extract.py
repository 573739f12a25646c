"""The extract stage over shards: what is there stays, what is missing is computed, what failed is a row with
its reason.
"""

import logging
import os
import shutil
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pyarrow as pa

from mfer_core.base.errors import ClipError
from mfer_core.base.files import digest
from mfer_core.base.manifest import Reject, write_rejects
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Extract
from mfer_core.base.workers import GRACE_S, Workers
from mfer_core.cache.code import code_digest
from mfer_core.cache.schemas import EXTRACTED
from mfer_core.cache.shards import Shard
from mfer_core.media.extracted import ExtractedShards, earlier_folders, extracted_row, open_extracted
from mfer_core.media.result import ExtractedClip

# These settings only say how the work is cut and judged; vad_min_clip_s is applied at reading (see read.py).
SHAPES_NOTHING = {"rejects_limit", "vad_min_clip_s"}
log = logging.getLogger("mfer")
LIBRARIES = ("av", "mtcnn-runtime", "opencv-python-headless", "silero-vad", "torchaudio")


def extract_keys(manifest: pd.DataFrame, settings: Extract) -> dict[str, str]:
    """clip_id -> key of everything that shapes its row: content, settings, code, libraries, the table's
    columns.
    """
    shape = settings.model_dump(exclude=SHAPES_NOTHING)
    code = [code_digest("mfer_core.media.clip"), EXTRACTED.to_string()]
    libraries = {name: version(name) for name in LIBRARIES}
    return {row.clip_id: digest(row.sha256, shape, code, libraries) for row in manifest.itertuples()}


def extract_shard(
    shard: Shard, manifest: pd.DataFrame, raw: Path, folder: Path, settings: Extract, workers: int = 1
) -> dict[str, int]:
    """Extract the clips of one shard that are not there yet, from the corpus's files in ``raw`` into its
    ``folder``.

    Clips are decoded in a process of its own: one that hangs, crashes or eats memory is a row. A few clips
    are in memory at a time; ``workers`` such calls, in threads or in processes, share the machine's cores.
    Returns counts: clips, computed.
    """
    store = ExtractedShards(folder)
    missing = store.missing(shard)
    if not store.holds(shard):
        path_of = dict(zip(manifest.clip_id, manifest.path, strict=True))
        threads = max(1, (os.cpu_count() or 1) // workers)
        limit_s = settings.clip_time_limit_s + GRACE_S
        with Workers(1, "mfer_core.media.clip", _set_threads, (threads,)) as processes:

            def row_of(clip_id: str) -> pa.Table:
                try:
                    path = Path(raw) / path_of[clip_id]
                    clip = processes.call(_extract, path, settings, threads, limit_s=limit_s)
                except ClipError as error:
                    clip = _rejected(error)
                log.debug("extract %s: %s", clip_id, _said(clip.facts))
                return extracted_row(clip_id, shard.keys[clip_id], clip)

            store.fill(shard, row_of)
    return {"clips": len(shard.keys), "computed": len(missing)}


def finish_extract(
    shards: list[Shard], manifest: pd.DataFrame, paths: DataPaths, corpus: str
) -> tuple[int, pd.DataFrame]:
    """Remove what no longer belongs and write the corpus's rejects; call it once every shard is there.

    Returns how many clips are accepted, and the rejects.
    """
    folder = paths.extract(corpus)
    folder.mkdir(parents=True, exist_ok=True)  # a corpus without clips has a folder too
    ExtractedShards(folder).prune(shards)
    for earlier in earlier_folders(folder):
        shutil.rmtree(earlier)
    facts = open_extracted(folder).facts
    refused = facts[facts.reason.notna()]
    path_of = dict(zip(manifest.clip_id, manifest.path, strict=True))
    rejects = [
        Reject(
            corpus=corpus, path=path_of[row.clip_id], stage="extract", reason=row.reason, detail=row.detail
        )
        for row in refused.itertuples()
    ]
    return len(facts) - len(refused), write_rejects(paths.extract_rejects(corpus), rejects)


def _set_threads(threads: int) -> None:
    import cv2

    cv2.setNumThreads(threads)


def _extract(path: Path, settings: Extract, threads: int) -> ExtractedClip:
    """``extract_clip``, whose libraries only the process that runs it imports."""
    from mfer_core.media.clip import extract_clip

    return extract_clip(path, settings, threads)


def _said(facts: dict) -> str:
    """What came of a clip, in words."""
    if facts["reason"]:
        return f"rejected: {ClipError(facts['reason'], facts['detail'] or '')}"
    speech = "no sound" if facts["speech_s"] is None else f"{facts['speech_s']:.1f} s of speech"
    return f"a face in {facts['frames_with_face']} of {facts['frame_count']} frames, {speech}"


def _rejected(error: ClipError) -> ExtractedClip:
    """A clip's failure is a result too."""
    facts = {"reason": error.reason, "detail": error.detail, "frame_count": 0, "frames_with_face": 0}
    return ExtractedClip([], None, facts)
