"""Stage pretrain_audio: stage 2a of the method, the audio arm on four corpora and four classes."""

from pathlib import Path

from prefect import flow

from mfer_core.base.settings import load_settings
from tasks.train import train_pretraining

DATA = Path("data")


@flow(name="pretrain_audio", flow_run_name="pretrain_audio")
def pretrain_audio() -> None:
    """Train on the pretraining corpora, speakers held out; write the per-corpus, per-class table."""
    train_pretraining(DATA, load_settings())
