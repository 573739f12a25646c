"""The embed stage over shards: frames and waveforms in, one [T, D] array with its time axis per clip out.

Rows that exist stay; only new or changed clips are computed. On a CPU each clip goes through the encoder
alone, so that the bytes of its row do not depend on which other clips were missing; on a GPU many clips share
batches, and a row is the same within the tolerance that the tests state. Three threads keep a GPU busy: one
reads and decodes ahead, one computes, one writes the results. On a CPU several threads compute a clip each
(cores.py), and the one that calls them reads and writes.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from mfer_core.base.files import digest
from mfer_core.base.progress import track
from mfer_core.base.settings import Embed
from mfer_core.cache.code import code_digest
from mfer_core.cache.embeddings import EmbeddingRow, EmbeddingShards, view_folder
from mfer_core.cache.shards import Shard, partition
from mfer_core.encoders.contract import FaceEncoder, SpeechEncoder
from mfer_core.encoders.cores import on_cores, twins
from mfer_core.encoders.face_views import frames_view
from mfer_core.encoders.speech_views import waveform_view
from mfer_core.encoders.views import DTYPE
from mfer_core.media.extracted import Extracted
from mfer_core.media.read import FrameSequence, Speech

log = logging.getLogger("mfer")
Item = TypeVar("Item")
Part = tuple[int, int]  # (k, n): shards k, k + n, k + 2 n, ...
SHARD_CLIPS = 128  # Clips per file of embeddings.
WHOLE: Part = (0, 1)
GROUP_BYTES = 2**27  # Extracted clips of this size go to a GPU together.


class ClipEmbedding(NamedTuple):
    """One clip's embeddings."""

    clip_id: str
    times_s: np.ndarray  # [T]
    values: np.ndarray  # [T, D]


class EmbeddingJob(NamedTuple):
    """Embedding a corpus's extracted clips: ``prepare`` reads ahead, and ``embed`` runs the encoder."""

    keys: dict[str, str]  # clip_id -> key, as extracted
    prepare: Callable[[list[str]], Iterator[Any]]
    embed: Callable[[Any, Any], Iterable[ClipEmbedding]]  # of the encoder and what was prepared
    encoder: FaceEncoder | SpeechEncoder
    device: str  # The device's type, "cpu" or "cuda".
    shaping: dict  # The encoder's metadata and the settings that shape values.
    entry: str  # The encoder's module.
    views: str  # The module that makes augmented views.


def embed_corpus_visual(
    extracted: Extracted,
    corpus: Path,
    encoder: FaceEncoder,
    settings: Embed,
    view: int = 0,
    part: Part = WHOLE,
    shard_clips: int = SHARD_CLIPS,
    threads: int = 1,
) -> int:
    """Embed a corpus's face frames into its folder ``corpus``; returns how many clips were computed.

    An augmented ``view`` (see views.py) goes into a folder of its own; of a ``part``'s shards only those are
    embedded, and nothing is removed. On a CPU so many ``threads`` take a clip each.
    """

    def prepare(clip_ids: list[str]) -> Iterator[tuple[list[FrameSequence], Any]]:
        clips = map(extracted.frames, clip_ids)
        for group in _groups(clips, lambda clip: clip.images.nbytes, encoder.device.type):
            yield group, encoder.prepare([image for clip in group for image in frames_view(clip, view)])

    def embed(faces: FaceEncoder, group: tuple[list[FrameSequence], Any]) -> Iterable[ClipEmbedding]:
        clips, images = group
        counts = [len(clip.images) for clip in clips]
        values = faces.embed_prepared(images, settings.batch_gib, counts)
        cuts = np.cumsum(counts)[:-1]
        return [
            ClipEmbedding(clip.clip_id, clip.times, of_clip)
            for clip, of_clip in zip(clips, np.split(values, cuts), strict=True)
        ]

    modules = (type(encoder).__module__, "mfer_core.encoders.face_views")
    job = EmbeddingJob(
        extracted.keys("visual"), prepare, embed, encoder, encoder.device.type, encoder.metadata, *modules
    )
    return _embed(corpus, job, settings, view, part, shard_clips, threads)


def embed_corpus_audio(
    extracted: Extracted,
    corpus: Path,
    encoder: SpeechEncoder,
    settings: Embed,
    vad_min_clip_s: float,
    view: int = 0,
    speed: float = 0.0,
    part: Part = WHOLE,
    shard_clips: int = SHARD_CLIPS,
    threads: int = 1,
) -> int:
    """Embed a corpus's speech into its folder ``corpus``, at the encoder's own frame rate; returns how many
    clips were computed.

    ``vad_min_clip_s``: of longer clips only the speech is embedded (see media.read). A step's time is the
    centre of its frame on the clip's clock, cut pauses included. An augmented ``view`` (see views.py), faster
    or slower with probability ``speed``, goes into a folder of its own; ``part`` as above.
    """

    def prepare(clip_ids: list[str]) -> Iterator[tuple[list[Speech], list[np.ndarray], list]]:
        clips = (extracted.speech(clip_id, vad_min_clip_s) for clip_id in clip_ids)
        for group in _groups(clips, lambda clip: clip.waveform.nbytes, encoder.device.type):
            waveforms = [waveform_view(clip, view, speed, settings.view_speeds) for clip in group]
            yield group, waveforms, [encoder.prepare(waveform) for waveform in waveforms]

    def embed(
        speech: SpeechEncoder, group: tuple[list[Speech], list[np.ndarray], list]
    ) -> Iterable[ClipEmbedding]:
        clips, waveforms, prepared = group
        embedded = speech.embed_prepared(prepared, settings.batch_gib)
        for clip, waveform, values in zip(clips, waveforms, embedded, strict=True):
            # A view that plays faster is still on the clip's clock.
            stretch = len(clip.waveform) / len(waveform)
            yield ClipEmbedding(clip.clip_id, clip.times(speech.centres(len(values)) * stretch), values)

    shaping = {**encoder.metadata, "vad_min_clip_s": vad_min_clip_s}
    if view:
        shaping |= {"speed": speed, "speeds": settings.view_speeds}
    modules = (type(encoder).__module__, "mfer_core.encoders.speech_views")
    job = EmbeddingJob(
        extracted.keys("audio"), prepare, embed, encoder, encoder.device.type, shaping, *modules
    )
    return _embed(corpus, job, settings, view, part, shard_clips, threads)


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


def _embed(
    corpus: Path, job: EmbeddingJob, settings: Embed, view: int, part: Part, shard_clips: int, threads: int
) -> int:
    shaping = {**job.shaping, "dtype": DTYPE if view else settings.dtype, "precision": settings.precision}
    code = [code_digest(job.entry), code_digest("mfer_core.media.read")]
    if view:
        shaping["view"] = view
        code.append(code_digest(job.views))
    # The hash stands for the weights, by whichever revision they were named.
    named = {name: value for name, value in shaping.items() if name != "revision"}
    keys = {clip_id: digest(key, named, code) for clip_id, key in job.keys.items()}
    shards, folder = partition(keys, shard_clips), view_folder(corpus, view)
    folder.mkdir(parents=True, exist_ok=True)
    store = EmbeddingShards(folder, shaping)
    first, step = part
    todo = [shard for shard in shards[first::step] if not store.holds(shard)]
    embedded = _embedded(job, _prepared(store, todo, job), threads)
    computed = 0
    for shard, rows in track(_by_shard(embedded), f"embed {corpus.parent.name} {corpus.name}", len(todo)):
        new = {row.clip_id: EmbeddingRow(row.clip_id, keys[row.clip_id], *row[1:]) for row in rows}
        store.fill(shard, new.__getitem__)
        for clip_id, row in new.items():
            log.debug("embed %s: %s of %d steps", clip_id, corpus.parent.name, len(row.times_s))
        computed += len(new)
    if part == WHOLE:
        store.prune(shards)
    return computed


def _embedded(
    job: EmbeddingJob, groups: Iterator[tuple[Shard, Any]], threads: int
) -> Iterator[tuple[Shard, list[ClipEmbedding] | None]]:
    """Yield the rows of each group, and None at each shard's end."""

    def run(encoder: Any, item: tuple[Shard, Any]) -> tuple[Shard, list[ClipEmbedding] | None]:
        shard, group = item
        return shard, None if group is None else list(job.embed(encoder, group))

    if job.device == "cpu":
        return on_cores(run, twins(job.encoder, threads), groups)
    return ahead(run(job.encoder, item) for item in ahead(groups))


def _prepared(store: EmbeddingShards, shards: list[Shard], job: EmbeddingJob) -> Iterator[tuple[Shard, Any]]:
    """Yield the groups of each shard's missing clips, and None at each shard's end."""
    for shard in shards:
        yield from ((shard, group) for group in job.prepare(store.missing(shard)))
        yield shard, None


def _by_shard(
    groups: Iterator[tuple[Shard, list[ClipEmbedding] | None]],
) -> Iterator[tuple[Shard, list[ClipEmbedding]]]:
    """Yield each shard with the rows of all its groups, when its end is seen."""
    rows: list[ClipEmbedding] = []
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
