"""Tasks of stage embed."""

import shutil
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from mfer_core.cache.shards import read_shards
from mfer_core.encoders.embed import embed_corpus_audio, embed_corpus_visual
from mfer_core.encoders.emotion2vec import load_emotion2vec
from mfer_core.encoders.published import checkpoint_of
from mfer_core.encoders.vit import load_vit
from mfer_core.settings import Embed, Extract


def holds_clips(shards: Path) -> bool:
    """Whether there is anything to embed: loading an encoder takes seconds."""
    return any(len(table) for table in read_shards(shards, ["clip_id"]))


def no_clips(out: Path) -> int:
    """Leave an empty folder of embeddings."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    return 0


@task(cache_policy=NO_CACHE)
def embed_visual(corpus: str, data: Path, settings: Embed) -> int:
    """ViT embeddings of a corpus's faces; returns the number of clips."""
    if not holds_clips(data / "extract" / "frames" / corpus):
        return no_clips(data / "embed" / "visual" / corpus)
    encoder = load_vit(*checkpoint_of(data / "pretrain_vit"), settings.device, settings.precision)
    return embed_corpus_visual(data / "extract", corpus, data / "embed", encoder, settings)


@task(cache_policy=NO_CACHE)
def embed_audio(corpus: str, data: Path, extract: Extract, settings: Embed) -> int:
    """emotion2vec embeddings of a corpus's waveforms; returns the number of clips."""
    if not holds_clips(data / "extract" / "waveforms" / corpus):
        return no_clips(data / "embed" / "audio" / corpus)
    encoder = load_emotion2vec(*checkpoint_of(data / "pretrain_emotion2vec"), settings.device, settings.precision)
    return embed_corpus_audio(data / "extract", corpus, data / "embed", encoder, settings, extract.vad_min_clip_s)
