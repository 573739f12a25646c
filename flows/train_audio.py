"""Stage train_audio: stage 2b of the method, the audio arm on the benchmark."""

from pathlib import Path

from prefect import flow

from mfer_core.base.settings import load_settings
from tasks.train import train_folds

DATA = Path("data")


@flow(name="train_audio", flow_run_name="train_audio")
def train_audio() -> None:
    """Train every fold of every protocol; folds that are done are not done again."""
    train_folds("train_audio", DATA, load_settings())
