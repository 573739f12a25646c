"""Tasks of stages evaluate and transfer, and their results in Prefect and MLflow."""

import re
from pathlib import Path

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from mfer_core.evaluation.evaluate import evaluate
from mfer_core.evaluation.transfer import transfer
from mfer_core.files import read_json
from mfer_core.settings import Settings
from tasks.tracking import log_dataset, log_results

NOT_IN_NAMES = re.compile(r"[^\w\-./ ]")  # what MLflow refuses in a metric's name


@task(cache_policy=NO_CACHE)
def run_evaluate(data: Path, settings: Settings) -> None:
    """Metrics, tables and plots over the predictions of all folds and arms."""
    evaluate(data, settings)


@task(cache_policy=NO_CACHE)
def run_transfer(data: Path, settings: Settings) -> None:
    """The fold models on the held-out custom corpus."""
    transfer(data, settings)


def publish_results(stage: str, data: Path, settings: Settings) -> None:
    """Every table as a Prefect artifact, and the stage's results in MLflow."""
    for table in sorted((data / stage).glob("tables/*.md")):
        create_markdown_artifact(key=f"{stage}-{table.stem}".replace("_", "-").lower(), markdown=table.read_text(encoding="utf-8"))
    files = log_stage(stage, data, settings)
    get_run_logger().info(f"{stage}: {files} files in {data / stage}")


def log_stage(stage: str, data: Path, settings: Settings) -> int:
    """Means over folds and all files to MLflow, protocol by protocol; returns how many files."""
    files = sorted(path for path in (data / stage).rglob("*") if path.is_file())
    if stage == "evaluate":
        for corpus in settings.corpora:
            log_dataset(corpus, data / "ingest" / corpus, settings)
    for protocol, arms in read_json(data / stage / "metrics.json").items():
        log_results(protocol, _flat(stage, arms), files, settings)
    return len(files)


def _flat(stage: str, arms: dict) -> dict[str, float]:
    """``evaluate/fused/accuracy`` -> mean over folds, as MLflow shows it."""
    found: dict[str, float] = {}
    for path, value in _leaves(arms):
        if path[-1] == "mean" and isinstance(value, float):
            found[NOT_IN_NAMES.sub("", "/".join((stage, *path[:-1])))] = value
    return found


def _leaves(tree: dict, path: tuple[str, ...] = ()):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value
