"""Stage evaluate: what the folds' predictions are worth, beside the published numbers."""

from pathlib import Path

from prefect import flow

from mfer_core.base.settings import load_settings
from tasks.results import publish_results, run_evaluate

DATA = Path("data")


@flow(name="evaluate", flow_run_name="evaluate")
def evaluate() -> None:
    """Write metrics.json, tables and plots; show the tables in Prefect and MLflow."""
    run_evaluate(DATA, load_settings())
    publish_results("evaluate", DATA, load_settings())
