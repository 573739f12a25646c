"""The embed stage over shards: frames and waveforms in, one [T, D] array with its time axis per clip out.

What is there stays; only new or changed clips are computed. On a CPU each clip goes through the encoder alone, so that the
bytes of its row do not depend on which other clips were missing; on a GPU many clips share batches, and a row is the same
within the tolerance that the tests state. Three threads keep a GPU busy: one reads and decodes ahead, one computes, one
writes what was computed. On a CPU one does it all: the others would take the processor, and Python's lock, from it.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from mfer_core.base.files import digest
from mfer_core.base.progress import track
from mfer_core.base.settings import Embed
from mfer_core.cache.code import code_digest
from mfer_core.cache.embeddings import EmbeddingRow, EmbeddingShards, view_folder
from mfer_core.cache.schemas import FRAMES, WAVEFORMS
from mfer_core.cache.shards import Shard, ShardFolder, partition, read_shards
from mfer_core.encoders.emotion2vec import Emotion2vecEncoder
from mfer_core.encoders.views import DTYPE, frames_view, waveform_view
from mfer_core.encoders.vit import VitEncoder
from mfer_core.media.read import FrameSequence, Speech, frame_sequences, speeches

Item = TypeVar("Item")
Part = tuple[int, int]  # (k, n): shards k, k + n, k + 2 n, ...
WHOLE: Part = (0, 1)
GROUP_BYTES = 2**27  # of clips as extracted that go to a GPU together


class Row(NamedTuple):
    """One clip's embeddings."""

    clip_id: str
    values: np.ndarray  # [T, D]
    seconds: np.ndarray  # [T]


class Work(NamedTuple):
    """How a corpus's extracted rows become rows of embeddings: what is read ahead, and what the device then does."""

    prepare: Callable[[pa.Table], Iterator[Any]]
    embed: Callable[[Any], Iterable[Row]]
    device: str  # type
    shaping: dict  # encoder's metadata, and what else shapes values
    entry: str  # module


def embed_corpus_visual(
    extract: Path,
    corpus: str,
    out: Path,
    encoder: VitEncoder,
    settings: Embed,
    view: int = 0,
    part: Part = WHOLE,
) -> int:
    """Embed a corpus's face frames into ``out``/visual/``corpus``; returns how many clips were computed.

    ``extract`` is data/extract, ``out`` data/embed; an augmented ``view`` (see views.py) goes into a folder of its own;
    of a ``part``'s shards only those are embedded, and nothing is removed. Raises MferError when the extract stage has not run.
    """

    def prepare(rows: pa.Table) -> Iterator[tuple[list[FrameSequence], Any]]:
        for clips in _groups(frame_sequences(rows), lambda clip: clip.images.nbytes, encoder.device.type):
            yield clips, encoder.prepare([image for clip in clips for image in frames_view(clip, view)])

    def embed(group: tuple[list[FrameSequence], Any]) -> Iterable[Row]:
        clips, images = group
        values = encoder.embed_prepared(images, settings.batch_gib)
        cuts = np.cumsum([len(clip.images) for clip in clips])[:-1]
        return [
            Row(clip.clip_id, own, clip.times)
            for clip, own in zip(clips, np.split(values, cuts), strict=True)
        ]

    source = ShardFolder(Path(extract) / "frames" / corpus, FRAMES)
    work = Work(prepare, embed, encoder.device.type, encoder.metadata, "mfer_core.encoders.vit")
    return _embed(source, Path(out) / "visual" / corpus, work, settings, view, part)


def embed_corpus_audio(
    extract: Path,
    corpus: str,
    out: Path,
    encoder: Emotion2vecEncoder,
    settings: Embed,
    vad_min_clip_s: float,
    view: int = 0,
    speed: float = 0.0,
    part: Part = WHOLE,
) -> int:
    """Embed a corpus's speech into ``out``/audio/``corpus``, 50 steps per second; returns how many clips were computed.

    ``vad_min_clip_s``: of longer clips only the speech is embedded (see media.read). A step's time is the centre of its
    frame on the clip's clock, cut pauses included. An augmented ``view`` (see views.py), faster or slower with probability
    ``speed``, goes into a folder of its own; ``part`` as above. Raises MferError when the extract stage has not run.
    """

    def prepare(rows: pa.Table) -> Iterator[tuple[list[Speech], list]]:
        for clips in _groups(
            speeches(rows, vad_min_clip_s), lambda clip: clip.waveform.nbytes, encoder.device.type
        ):
            yield (
                clips,
                [encoder.prepare(waveform_view(clip, view, speed, settings.view_speeds)) for clip in clips],
            )

    def embed(group: tuple[list[Speech], list]) -> Iterable[Row]:
        clips, waveforms = group
        for clip, waveform, values in zip(
            clips, waveforms, encoder.embed_prepared(waveforms, settings.batch_gib), strict=True
        ):
            stretch = len(clip.waveform) / len(
                waveform
            )  # a view that plays faster is still on the clip's clock
            yield Row(clip.clip_id, values, clip.times(encoder.centres(len(values)) * stretch))

    source = ShardFolder(Path(extract) / "waveforms" / corpus, WAVEFORMS)
    shaping = {**encoder.metadata, "vad_min_clip_s": vad_min_clip_s} | (
        {"speed": speed, "speeds": settings.view_speeds} if view else {}
    )
    work = Work(prepare, embed, encoder.device.type, shaping, "mfer_core.encoders.emotion2vec")
    return _embed(source, Path(out) / "audio" / corpus, work, settings, view, part)


def _groups(clips: Iterable[Item], size: Callable[[Item], int], device: str) -> Iterator[list[Item]]:
    """Clips that go through the encoder together: on a GPU as many as ``GROUP_BYTES`` hold."""
    limit = 0 if device == "cpu" else GROUP_BYTES
    group: list[Item] = []
    held = 0
    for clip in clips:
        if group and held + size(clip) > limit:
            yield group
            group, held = [], 0
        group.append(clip)
        held += size(clip)
    if group:
        yield group


def _embed(source: ShardFolder, corpus: Path, work: Work, settings: Embed, view: int, part: Part) -> int:
    folder = view_folder(corpus, view)
    dtype = DTYPE if view else settings.dtype
    shaping = {**work.shaping, "dtype": dtype, "precision": settings.precision} | (
        {"view": view} if view else {}
    )
    code = [code_digest(work.entry), code_digest("mfer_core.media.read")] + (
        [code_digest("mfer_core.encoders.views")] if view else []
    )
    raw = _row_keys(source.folder)
    shards = partition(
        {clip_id: digest(key, shaping, code) for clip_id, key in raw.items()}, settings.shard_clips
    )
    folder.mkdir(parents=True, exist_ok=True)
    target = EmbeddingShards(folder, shaping)
    first, step = part
    todo = [shard for shard in shards[first::step] if not target.holds(shard)]
    beside = iter if work.device == "cpu" else ahead
    groups = beside(_prepared(source, target, todo, raw, work))
    embedded = beside((shard, None if group is None else list(work.embed(group))) for shard, group in groups)
    computed = 0
    for shard, rows in track(_by_shard(embedded), f"embed {corpus.parent.name} {corpus.name}", len(todo)):
        fresh = {
            row.clip_id: EmbeddingRow(row.clip_id, shard.keys[row.clip_id], row.seconds, row.values)
            for row in rows
        }
        target.fill(shard, fresh.__getitem__)
        computed += len(fresh)
    if part == WHOLE:
        target.prune(shards)
    return computed


def _prepared(
    source: ShardFolder, target: EmbeddingShards, shards: list[Shard], raw: dict[str, str], work: Work
) -> Iterator[tuple[Shard, Any]]:
    """Yield the groups of each shard's missing clips, and None at each shard's end."""
    for shard in shards:
        rows = source.reusable(
            Shard(shard.name, {clip_id: raw[clip_id] for clip_id in target.missing(shard)})
        )
        yield from ((shard, group) for group in work.prepare(rows))
        yield shard, None


def _by_shard(groups: Iterator[tuple[Shard, list[Row] | None]]) -> Iterator[tuple[Shard, list[Row]]]:
    """Yield each shard with the rows of all its groups, when its end is seen."""
    rows: list[Row] = []
    for shard, group in groups:
        if group is None:
            yield shard, rows
            rows = []
        else:
            rows += group


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield ``items``; a thread makes the next one while the caller works on the current one."""
    end = object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item  # type: ignore[misc]


def _row_keys(folder: Path) -> dict[str, str]:
    """clip_id -> key as the extract stage wrote it."""
    tables = read_shards(folder, ["clip_id", "key"])
    return {
        clip_id: key
        for table in tables
        for clip_id, key in zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
    }
