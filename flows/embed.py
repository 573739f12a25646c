"""Stage embed: faces and waveforms become cached ViT and emotion2vec embeddings."""

from pathlib import Path

from prefect import flow, get_run_logger

from mfer_core.base.settings import Settings, load_settings
from tasks.embed import embed_audio, embed_precomputed, embed_side_by_side, embed_visual

DATA = Path("data")
SPEED = 0.2  # chance that a view of a stage 2a clip plays faster or slower (reference method, "Augmentation, audio")


@flow(name="embed", flow_run_name="embed {corpus}")
def embed(corpus: str) -> None:
    """Fill embed/visual/ and embed/audio/ of one corpus, with its augmented views; clips that are there are not done again."""
    settings = load_settings()
    clips = {modality: embed_modality(corpus, modality, settings) for modality in ("visual", "audio")}
    get_run_logger().info(
        f"embed {corpus}: " + ", ".join(f"{count} clips {arm}" for arm, count in clips.items())
    )


def embed_modality(corpus: str, modality: str, settings: Settings) -> int:
    """By the encoder, or from the features that the corpus brings; returns the number of clips."""
    if modality in settings.corpus(corpus).precomputed:
        return embed_precomputed(corpus, settings.corpus(corpus), modality, DATA, settings.embed)
    call = {
        "corpus": corpus,
        "data": DATA,
        "settings": settings.embed,
        "views": settings.views_of(corpus, modality),
    }
    if modality == "visual":
        return embed_side_by_side(embed_visual, call, DATA / "extract" / "frames" / corpus, settings)
    call |= {"extract": settings.extract, "speed": SPEED if corpus in settings.roles.pretraining else 0.0}
    return embed_side_by_side(embed_audio, call, DATA / "extract" / "waveforms" / corpus, settings)
