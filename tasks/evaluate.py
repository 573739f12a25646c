"""Tasks of stages evaluate and transfer, and their results in Prefect and MLflow."""

from prefect import get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.evaluation.evaluate import evaluate
from mfer_core.evaluation.transfer import transfer
from tasks.artifacts import artifact_key
from tasks.tracking.result_runs import log_stage
from tasks.tracking.store import report_missed


@task(cache_policy=NO_CACHE)
def run_evaluate(data: DataPaths, settings: Settings) -> None:
    """Metrics, tables and plots over the predictions of all folds and arms."""
    evaluate(data.root, settings)


@task(cache_policy=NO_CACHE)
def run_transfer(data: DataPaths, settings: Settings) -> None:
    """The fold models on the held-out custom corpus."""
    transfer(data.root, settings)


def publish_results(stage: str, data: DataPaths, settings: Settings) -> None:
    """Every table as a Prefect artifact; in MLflow the stage's results and what it misses before them."""
    for table in sorted(data.tables(stage).glob("*.md")):
        key = artifact_key(stage, table.stem)
        create_markdown_artifact(key=key, markdown=table.read_text(encoding="utf-8"))
    for protocol, page in log_stage(stage, data, settings).items():
        create_link_artifact(
            link=page,
            link_text=f"{protocol} in MLflow",
            key=artifact_key("mlflow", stage, protocol),
            description="MLflow's own server, or `make ui`, shows it",
        )
    report_missed()
    get_run_logger().info(f"{stage}: tables and plots in {data.stage(stage)}")
