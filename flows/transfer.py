"""Stage transfer: the fold models on the held-out custom corpus."""

from pathlib import Path

from prefect import flow

from mfer_core.base.settings import load_settings
from tasks.results import publish_results, run_transfer

DATA = Path("data")


@flow(name="transfer", flow_run_name="transfer")
def transfer() -> None:
    """Write metrics.json and tables; show them in Prefect and MLflow."""
    run_transfer(DATA, load_settings())
    publish_results("transfer", DATA, load_settings())
