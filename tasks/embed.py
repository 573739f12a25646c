"""Tasks of stage embed."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Corpus, Settings
from mfer_core.cache.embeddings import view_folders
from mfer_core.cache.heads import write_head
from mfer_core.cache.shards import partition
from mfer_core.encoders.checkpoint_pointer import source_of
from mfer_core.encoders.embed import WHOLE, Part, embed_corpus_audio, embed_corpus_visual
from mfer_core.encoders.faces import load_faces
from mfer_core.encoders.precision import choose_precision
from mfer_core.encoders.precomputed import store_features
from mfer_core.encoders.speech import load_speech
from mfer_core.encoders.waveform_augmentation import SPEED_CHANCE
from mfer_core.media.extracted import open_extracted
from tasks.runner import run_side_by_side


def embed_modality(corpus: str, modality: str, data: Path, settings: Settings) -> int:
    """Embed a corpus by the encoder or from its precomputed features; returns the number of clips."""
    if modality in settings.corpus(corpus).precomputed:
        return embed_precomputed(corpus, settings.corpus(corpus), modality, data, settings.shards.embed)
    return embed_side_by_side(corpus, modality, data, settings)


def embed_side_by_side(corpus: str, modality: str, data: Path, settings: Settings) -> int:
    """Call ``embed_clips``; returns the number of clips computed.

    Locally one process goes through all clips with one loaded encoder. On a cluster every shard of embeddings
    is first a task of its own, on whichever worker is free; the call then fills in what is missing.
    """
    settings = _settled(settings)
    parts = 0
    if settings.runner != "local":
        keys = open_extracted(DataPaths(data).extract(corpus)).keys(modality)
        parts = len(partition(keys, settings.shards.embed))
    call: dict[str, Any] = {"corpus": corpus, "modality": modality, "data": data, "settings": settings}
    calls = [call | {"part": (number, parts)} for number in range(parts)] if parts > 1 else []
    title = f"embed {modality} {corpus}"
    done = sum(run_side_by_side(embed_clips, calls, settings.runner, "processes", settings.workers, title))
    return done + embed_clips(**call)


def _settled(settings: Settings) -> Settings:
    """The settings with the precision that they leave to this machine: workers elsewhere take it too."""
    precision = choose_precision(settings.embed.precision, settings.embed.device)
    return settings.model_copy(update={"embed": settings.embed.model_copy(update={"precision": precision})})


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


@task(cache_policy=NO_CACHE, task_run_name="embed {modality} {corpus}")
def embed_clips(corpus: str, modality: str, data: Path, settings: Settings, part: Part = WHOLE) -> int:
    """Embeddings of a corpus's faces or speech, clean and in its augmented views; returns the number of clips
    computed.
    """
    paths = DataPaths(data)
    extracted, out = open_extracted(paths.extract(corpus)), paths.embeddings(modality, corpus)
    if not extracted.keys(modality):
        return no_clips(out)
    source, chosen = source_of(paths.encoder(modality)), settings.embed
    # A worker of a cluster has one core.
    threads = settings.workers if part == WHOLE else 1
    shaping: dict[str, Any] = {"settings": chosen, "part": part, "shard_clips": settings.shards.embed}
    shaping["threads"] = threads
    if modality == "visual":
        faces = load_faces(source, chosen.device, chosen.precision)
        embed, head = partial(embed_corpus_visual, extracted, out, faces, **shaping), faces.head()
    else:
        speech = load_speech(source, chosen.device, chosen.precision)
        shaping |= {"vad_min_clip_s": settings.vad_min_clip_s(corpus)}
        shaping |= {"speed": SPEED_CHANCE if corpus in settings.roles.pretraining else 0.0}
        embed, head = partial(embed_corpus_audio, extracted, out, speech, **shaping), speech.head()
    views = settings.views_of(corpus, modality)
    if part == WHOLE:
        drop_views(out, views)
        write_head(out, head)
    return sum(embed(view=view) for view in range(views + 1))
