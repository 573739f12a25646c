"""Stage pretrain_vit: the face encoder, trained on the faces corpus or named by the settings."""

from pathlib import Path

from prefect import flow

from mfer_core.base.settings import load_settings
from tasks.pretrain import name_checkpoint, publish_metrics, train_vit

DATA = Path("data")
OUT = DATA / "pretrain_vit"


@flow(name="pretrain_vit", flow_run_name="pretrain_vit")
def pretrain_vit() -> None:
    """Write a checkpoint in Hugging Face layout, trained or fine-tuned on faces, or a pointer to the published one that the settings name."""
    settings = load_settings()
    if settings.pretrain_vit.checkpoint and not settings.pretrain_vit.finetune:
        metrics = name_checkpoint(settings.pretrain_vit.checkpoint, settings.pretrain_vit.revision, OUT)
    else:
        faces = settings.roles.faces
        metrics = train_vit(
            settings.corpora[faces], DATA / "ingest" / faces, settings.pretrain_vit, settings.seed, OUT
        )
    publish_metrics("pretrain_vit", metrics, OUT)
