"""Stage embed: faces and waveforms become cached ViT and emotion2vec embeddings."""

from pathlib import Path

from prefect import flow, get_run_logger

from mfer_core.settings import load_settings
from tasks.embed import embed_audio, embed_side_by_side, embed_visual

DATA = Path("data")
SPEED = 0.2  # chance that a view of a stage 2a clip plays faster or slower (reference method, "Augmentation, audio")


@flow(name="embed", flow_run_name="embed {corpus}")
def embed(corpus: str) -> None:
    """Fill embed/visual/ and embed/audio/ of one corpus, with its augmented views; clips that are there are not done again."""
    settings = load_settings()
    speed = SPEED if corpus in settings.roles.pretraining else 0.0
    visual = {"corpus": corpus, "data": DATA, "settings": settings.embed, "views": settings.views_of(corpus, "visual")}
    audio = visual | {"views": settings.views_of(corpus, "audio"), "extract": settings.extract, "speed": speed}
    extracted = DATA / "extract"
    clips = {
        "visual": embed_side_by_side(embed_visual, visual, extracted / "frames" / corpus, settings),
        "audio": embed_side_by_side(embed_audio, audio, extracted / "waveforms" / corpus, settings),
    }
    get_run_logger().info(f"embed {corpus}: " + ", ".join(f"{count} clips {arm}" for arm, count in clips.items()))
