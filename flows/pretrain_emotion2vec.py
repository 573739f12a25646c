"""Stage pretrain_emotion2vec: the speech encoder, trained on the pretraining corpora or named by the settings."""

from pathlib import Path

from prefect import flow

from mfer_core.base.settings import load_settings
from tasks.pretrain import name_checkpoint, publish_metrics, train_emotion2vec

DATA = Path("data")
OUT = DATA / "pretrain_emotion2vec"


@flow(name="pretrain_emotion2vec", flow_run_name="pretrain_emotion2vec")
def pretrain_emotion2vec() -> None:
    """Write a checkpoint in funasr layout, or a pointer to the published one that the settings name."""
    settings = load_settings()
    section = settings.pretrain_emotion2vec
    if section.checkpoint:
        metrics = name_checkpoint(section.checkpoint, section.revision, OUT)
    else:
        metrics = train_emotion2vec(
            settings.roles.pretraining, DATA, settings.extract, section, settings.seed, OUT
        )
    publish_metrics("pretrain_emotion2vec", metrics, OUT)
