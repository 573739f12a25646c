"""Stage folds: which clip is in which part of which fold, for every protocol."""

from pathlib import Path

from prefect import flow

from mfer_core.base.settings import load_settings
from tasks.folds import assign_folds

DATA = Path("data")


@flow(name="folds", flow_run_name="folds")
def folds() -> None:
    """Write folds.parquet; the honest protocols are checked to share no speaker, take or content, the corpora no content."""
    assign_folds(DATA, load_settings())
