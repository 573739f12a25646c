"""Tasks of stages evaluate and transfer, and their results in Prefect and MLflow."""

import re
from pathlib import Path

from prefect import get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from mfer_core.base.files import read_json
from mfer_core.base.settings import Settings
from mfer_core.evaluation.evaluate import evaluate
from mfer_core.evaluation.transfer import transfer
from tasks.account import artifact_key
from tasks.fold_runs import log_folds
from tasks.tracking import log_dataset, log_results

ENCODERS = ("pretrain_vit", "pretrain_emotion2vec")
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
    """Every table as a Prefect artifact, and the stage's results in MLflow, with the folds that it missed or DVC took from its cache."""
    for table in sorted((data / stage).glob("tables/*.md")):
        create_markdown_artifact(
            key=artifact_key(stage, table.stem), markdown=table.read_text(encoding="utf-8")
        )
    for protocol, page in log_stage(stage, data, settings).items():
        create_link_artifact(
            link=page,
            link_text=f"{protocol} in MLflow",
            key=artifact_key("mlflow", stage, protocol),
            description="MLflow's own server, or `make ui`, shows it",
        )
    get_run_logger().info(f"{stage}: tables and plots in {data / stage}")


def log_stage(stage: str, data: Path, settings: Settings) -> dict[str, str]:
    """Means over folds and all files (under the paths that they have in ``data``) to MLflow, protocol by protocol; returns each one's page."""
    files = {
        path: path.parent.relative_to(data).as_posix()
        for path in sorted((data / stage).rglob("*"))
        if path.is_file()
    }
    if stage == "evaluate":
        for corpus in settings.corpora:
            log_dataset(corpus, data / "ingest" / corpus, settings)
        log_encoders(data, settings)
        log_folds(data, settings)
    pages = {
        protocol: log_results(
            protocol, _flat(stage, arms), files, _score(arms) if stage == "evaluate" else "", settings
        )
        for protocol, arms in read_json(data / stage / "metrics.json").items()
    }
    return {protocol: page for protocol, page in pages.items() if page}


def log_encoders(data: Path, settings: Settings) -> None:
    """The figures of the encoders that the pipeline trained, each in the experiment of its stage; a published one has none."""
    for stage in ENCODERS:
        if (metrics := data / stage / "metrics.json").exists():
            log_results(stage, read_json(metrics), {metrics.with_name("history.csv"): stage}, "", settings)


def _score(arms: dict) -> str:
    """The best arm's mean accuracy over folds, for the name of a run."""
    name, arm = max(arms.items(), key=lambda item: item[1]["accuracy"]["mean"])
    return f"{name} {100 * arm['accuracy']['mean']:.1f} %"


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
