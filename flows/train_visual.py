"""Stage train_visual: stage 1 of the method, the image arm alone."""

from pathlib import Path

from prefect import flow

from mfer_core.base.settings import load_settings
from tasks.train import train_folds

DATA = Path("data")


@flow(name="train_visual", flow_run_name="train_visual")
def train_visual() -> None:
    """Train every fold of every protocol; folds that are done are not done again."""
    train_folds("train_visual", DATA, load_settings())
