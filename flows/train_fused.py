"""Stage train_fused: stage 3 of the method, both arms."""

from pathlib import Path

from prefect import flow

from mfer_core.base.settings import load_settings
from tasks.train import train_folds

DATA = Path("data")


@flow(name="train_fused", flow_run_name="train_fused")
def train_fused() -> None:
    """Train every fold of every protocol; folds that are done are not done again."""
    train_folds("train_fused", DATA, load_settings())
