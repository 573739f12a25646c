"""Tasks of stage embed."""

import shutil
from pathlib import Path
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE

from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Corpus, Embed, Extract, Settings
from mfer_core.cache.embeddings import view_folders
from mfer_core.cache.heads import write_head
from mfer_core.cache.shards import partition
from mfer_core.encoders.checkpoint_pointer import checkpoint_of
from mfer_core.encoders.embed import SHARD_CLIPS, WHOLE, Part, embed_corpus_audio, embed_corpus_visual
from mfer_core.encoders.emotion2vec import load_emotion2vec
from mfer_core.encoders.precomputed import store_features
from mfer_core.encoders.vit import load_vit
from mfer_core.encoders.waveform_augmentation import SPEED_CHANCE
from mfer_core.media.extracted import open_extracted
from tasks.runner import run_side_by_side


def embed_modality(corpus: str, modality: str, data: Path, settings: Settings) -> int:
    """Embed a corpus by the encoder or from its precomputed features; returns the number of clips."""
    if modality in settings.corpus(corpus).precomputed:
        return embed_precomputed(corpus, settings.corpus(corpus), modality, data, settings.shards.embed)
    views = settings.views_of(corpus, modality)
    call = {"corpus": corpus, "data": data, "settings": settings.embed, "views": views}
    call |= {"shard_clips": settings.shards.embed}
    if modality == "visual":
        return embed_side_by_side(embed_visual, modality, call, settings)
    call |= {
        "extract": settings.extract,
        "speed": SPEED_CHANCE if corpus in settings.roles.pretraining else 0.0,
    }
    return embed_side_by_side(embed_audio, modality, call, settings)


def embed_side_by_side(task: Task, modality: str, call: dict[str, Any], settings: Settings) -> int:
    """Call ``task``; returns the number of clips computed.

    Locally one process goes through all clips with one loaded encoder. On a cluster every shard of embeddings
    is first a task of its own, on whichever worker is free; the call then fills in what is missing.
    """
    parts = 0
    if settings.runner != "local":
        keys = open_extracted(DataPaths(call["data"]).extract(call["corpus"])).keys(modality)
        parts = len(partition(keys, call["shard_clips"]))
    calls = [call | {"part": (number, parts)} for number in range(parts)] if parts > 1 else []
    title = f"{task.name} {call['corpus']}"
    return sum(run_side_by_side(task, calls, settings.runner, "processes", settings.workers, title)) + task(
        **call
    )


def no_clips(out: Path) -> int:
    """Leave an empty folder of embeddings: loading an encoder takes seconds, and there is nothing to
    embed.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    return 0


@task(cache_policy=NO_CACHE)
def embed_precomputed(name: str, corpus: Corpus, modality: str, data: Path, shard_clips: int) -> int:
    """A person's own features in place of an encoder's; returns the number of clips written."""
    out = DataPaths(data).embeddings(modality, name)
    drop_views(out, 0)
    write_head(out, None)
    return store_features(DataPaths(data).ingest(name), corpus.path, modality, out, shard_clips)


def drop_views(folder: Path, keep: int) -> None:
    """Remove the augmented views that the settings no longer ask for."""
    for path in view_folders(folder)[keep:]:
        shutil.rmtree(path)


@task(cache_policy=NO_CACHE)
def embed_visual(
    corpus: str,
    data: Path,
    settings: Embed,
    views: int,
    part: Part = WHOLE,
    shard_clips: int = SHARD_CLIPS,
) -> int:
    """ViT embeddings of a corpus's faces, clean and in augmented ``views``; returns the number of clips
    computed.
    """
    paths = DataPaths(data)
    extracted, out = open_extracted(paths.extract(corpus)), paths.embeddings("visual", corpus)
    if not extracted.keys("visual"):
        return no_clips(out)
    encoder = load_vit(*checkpoint_of(paths.encoder("visual")), settings.device, settings.precision)
    if part == WHOLE:
        drop_views(out, views)
        write_head(out, encoder.head())
    return sum(
        embed_corpus_visual(extracted, out, encoder, settings, view, part, shard_clips)
        for view in range(views + 1)
    )


@task(cache_policy=NO_CACHE)
def embed_audio(
    corpus: str,
    data: Path,
    extract: Extract,
    settings: Embed,
    views: int,
    speed: float,
    part: Part = WHOLE,
    shard_clips: int = SHARD_CLIPS,
) -> int:
    """emotion2vec embeddings of a corpus's waveforms, clean and in augmented ``views``; returns the number of
    clips computed.

    ``speed``: the chance that a view is faster or slower.
    """
    paths = DataPaths(data)
    extracted, out = open_extracted(paths.extract(corpus)), paths.embeddings("audio", corpus)
    if not extracted.keys("audio"):
        return no_clips(out)
    encoder = load_emotion2vec(*checkpoint_of(paths.encoder("audio")), settings.device, settings.precision)
    if part == WHOLE:
        drop_views(out, views)
        write_head(out, encoder.head())
    shaped = (encoder, settings, extract.vad_min_clip_s)
    return sum(
        embed_corpus_audio(extracted, out, *shaped, view, speed, part, shard_clips)
        for view in range(views + 1)
    )
