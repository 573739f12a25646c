"""Stage embed: faces and waveforms become cached ViT and emotion2vec embeddings."""

from pathlib import Path

from prefect import flow, get_run_logger

from mfer_core.settings import load_settings
from tasks.embed import embed_audio, embed_visual

DATA = Path("data")


@flow(name="embed", flow_run_name="embed {corpus}")
def embed(corpus: str) -> None:
    """Fill embed/visual/ and embed/audio/ of one corpus; clips that are there are not done again."""
    settings = load_settings()
    clips = {
        "visual": embed_visual(corpus, DATA, settings.embed),
        "audio": embed_audio(corpus, DATA, settings.extract, settings.embed),
    }
    get_run_logger().info(f"embed {corpus}: " + ", ".join(f"{count} clips {arm}" for arm, count in clips.items()))
