"""Tasks of stage embed."""

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from mfer_core.encoders.embed import embed_corpus_audio, embed_corpus_visual
from mfer_core.encoders.emotion2vec import load_emotion2vec
from mfer_core.encoders.published import checkpoint_of
from mfer_core.encoders.vit import load_vit
from mfer_core.settings import Embed, Extract


@task(cache_policy=NO_CACHE)
def embed_visual(corpus: str, data: Path, settings: Embed) -> int:
    """ViT embeddings of a corpus's faces; returns the number of clips."""
    encoder = load_vit(*checkpoint_of(data / "pretrain_vit"), settings.device, settings.precision)
    return embed_corpus_visual(data / "extract", corpus, data / "embed", encoder, settings)


@task(cache_policy=NO_CACHE)
def embed_audio(corpus: str, data: Path, extract: Extract, settings: Embed) -> int:
    """emotion2vec embeddings of a corpus's waveforms; returns the number of clips."""
    encoder = load_emotion2vec(*checkpoint_of(data / "pretrain_emotion2vec"), settings.device, settings.precision)
    return embed_corpus_audio(data / "extract", corpus, data / "embed", encoder, settings, extract.vad_min_clip_s)
