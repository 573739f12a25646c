"""The embed stage over shards: frames and waveforms in, one [T, D] array with its time axis per clip out.

What is there stays; only new or changed clips are computed. On a CPU each clip goes through the encoder alone, so that the
bytes of its row do not depend on which other clips were missing; on a GPU the clips of a shard share batches, and a row is
the same within the tolerance that the tests state.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa

from mfer_core.cache.code import code_digest
from mfer_core.cache.embeddings import embedding_row, view_folder
from mfer_core.cache.schemas import EMBEDDINGS, FRAMES, WAVEFORMS
from mfer_core.cache.shards import Shard, ShardFolder, partition, read_shards
from mfer_core.encoders.emotion2vec import Emotion2vecEncoder
from mfer_core.encoders.views import DTYPE, frames_view, waveform_view
from mfer_core.encoders.vit import VitEncoder
from mfer_core.files import digest
from mfer_core.media.read import frame_sequences, speeches
from mfer_core.progress import track
from mfer_core.settings import Embed

Row = tuple[str, np.ndarray, np.ndarray]  # clip_id, values [T, D], seconds [T]
Part = tuple[int, int]  # (k, n): shards k, k + n, k + 2 n, ...
WHOLE: Part = (0, 1)


def embed_corpus_visual(
    extract: Path, corpus: str, out: Path, encoder: VitEncoder, settings: Embed, view: int = 0, part: Part = WHOLE
) -> int:
    """Embed a corpus's face frames into ``out``/visual/``corpus``; returns how many clips were computed.

    ``extract`` is data/extract, ``out`` data/embed; an augmented ``view`` (see views.py) goes into a folder of its own;
    of a ``part``'s shards only those are embedded, and nothing is removed. Raises MferError when the extract stage has not run.
    """

    def embed(rows: pa.Table) -> Iterator[Row]:
        for clips in _groups(frame_sequences(rows), encoder.device.type):
            images = [image for clip in clips for image in frames_view(clip, view)]
            values = encoder.embed(images, settings.visual_batch)
            cuts = np.cumsum([len(clip.images) for clip in clips])[:-1]
            yield from ((clip.clip_id, part, clip.times) for clip, part in zip(clips, np.split(values, cuts), strict=True))

    source = ShardFolder(Path(extract) / "frames" / corpus, FRAMES)
    return _embed(source, Path(out) / "visual" / corpus, embed, encoder.metadata, settings, "mfer_core.encoders.vit", view, part)


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

    def embed(rows: pa.Table) -> Iterator[Row]:
        for clips in _groups(speeches(rows, vad_min_clip_s), encoder.device.type):
            waveforms = [waveform_view(clip, view, speed, settings.view_speeds) for clip in clips]
            for clip, waveform, part in zip(clips, waveforms, encoder.embed(waveforms, settings.audio_batch), strict=True):
                stretch = len(clip.waveform) / len(waveform)  # a view that plays faster is still on the clip's clock
                yield clip.clip_id, part, clip.times(encoder.centres(len(part)) * stretch)

    source = ShardFolder(Path(extract) / "waveforms" / corpus, WAVEFORMS)
    shaping = {**encoder.metadata, "vad_min_clip_s": vad_min_clip_s} | ({"speed": speed, "speeds": settings.view_speeds} if view else {})
    return _embed(source, Path(out) / "audio" / corpus, embed, shaping, settings, "mfer_core.encoders.emotion2vec", view, part)


def _groups(clips: Iterable, device: str) -> Iterator[list]:
    """Clips that go through the encoder together."""
    if device == "cpu":
        yield from ([clip] for clip in clips)
    elif together := list(clips):
        yield together


def _embed(
    source: ShardFolder,
    corpus: Path,
    embed: Callable[[pa.Table], Iterator[Row]],
    encoder: dict,
    settings: Embed,
    entry: str,
    view: int,
    part: Part,
) -> int:
    folder = view_folder(corpus, view)
    dtype = DTYPE if view else settings.dtype
    shaping = {**encoder, "dtype": dtype, "precision": settings.precision} | ({"view": view} if view else {})
    code = [code_digest(entry), code_digest("mfer_core.media.read")] + ([code_digest("mfer_core.encoders.views")] if view else [])
    raw = _row_keys(source.folder)
    shards = partition({clip_id: digest(key, shaping, code) for clip_id, key in raw.items()}, settings.shard_clips)
    folder.mkdir(parents=True, exist_ok=True)
    target = ShardFolder(folder, EMBEDDINGS, shaping)
    first, step = part
    todo = [shard for shard in shards[first::step] if not target.holds(shard)]
    computed = 0
    for shard, rows in track(_read_ahead(source, target, todo, raw), f"embed {corpus.parent.name} {corpus.name}", len(todo)):
        fresh = [embedding_row(clip, shard.keys[clip], values.astype(dtype), times) for clip, values, times in embed(rows)]
        target.write(shard, pa.concat_tables([target.reusable(shard), pa.Table.from_pylist(fresh, target.schema)]))
        computed += len(fresh)
    if part == WHOLE:
        target.prune(shards)
    return computed


def _row_keys(folder: Path) -> dict[str, str]:
    """clip_id -> key as the extract stage wrote it."""
    tables = read_shards(folder, ["clip_id", "key"])
    return {
        clip_id: key for table in tables for clip_id, key in zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
    }


def _read_ahead(source: ShardFolder, target: ShardFolder, shards: list[Shard], raw: dict[str, str]) -> Iterator[tuple[Shard, pa.Table]]:
    """Yield each shard with the extracted rows of its missing clips; the next one is read while the current one is computed."""

    def read(shard: Shard) -> pa.Table:
        return source.reusable(Shard(shard.name, {clip_id: raw[clip_id] for clip_id in target.missing(shard)}))

    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(read, shards[0]) if shards else None
        for shard, following in zip(shards, [*shards[1:], None][: len(shards)], strict=True):
            rows = ahead.result()
            ahead = pool.submit(read, following) if following else None
            yield shard, rows
