"""Results over all folds in MLflow: a stage's figures and files at its pipeline run; corpora and encoders."""

import re
from pathlib import Path

import pandas as pd

from mfer_core.base.files import read_json, sha256_file
from mfer_core.base.modalities import MODALITIES
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.evaluation.summary import ABOUT, by_protocol
from tasks.tracking.fold_runs import log_folds
from tasks.tracking.lineage import lineage
from tasks.tracking.pages import run_page
from tasks.tracking.store import (
    KEY_TAG,
    TITLE_TAG,
    attempt,
    client,
    experiment,
    find_run,
    metrics_now,
    page_address,
    pipeline_run,
)

REFUSED_IN_NAMES = re.compile(r"[^\w\-./ ]")  # MLflow takes no other signs in a metric's name


def log_stage(stage: str, data: DataPaths, settings: Settings) -> dict[str, str]:
    """Log a stage's means over folds and all its files, protocol by protocol; returns each protocol's page.

    Stage evaluate also logs what lies before it: corpora, encoders, and folds that MLflow missed or DVC took
    from its cache.
    """
    if stage == "evaluate":
        for corpus in settings.corpora:
            log_dataset(corpus, data, settings)
        log_encoders(data, settings)
        log_folds(data, settings)
    files = [path for path in sorted(data.stage(stage).rglob("*")) if path.is_file()]
    folders = {path: path.parent.relative_to(data.root).as_posix() for path in files}
    pages = {}
    metrics = read_json(data.metrics(stage))
    about = metrics.get(ABOUT, {})
    for protocol, arms in by_protocol(metrics).items():
        score = _score(arms) if stage == "evaluate" else ""
        figures = _means(stage, arms) | _by_group(stage, about.get("groups", []), protocol)
        if page := log_results(protocol, figures, folders, score, settings):
            pages[protocol] = page
    return pages


def log_dataset(corpus: str, data: DataPaths, settings: Settings) -> None:
    """The report of a corpus as a run of experiment ``datasets``; none where the corpus is absent."""
    figures = read_json(data.ingest_report(corpus))
    report = data.ingest_report(corpus).with_suffix(".md")
    if not figures["clips"]:
        return

    def log_it() -> None:
        store, experiment_id = client(settings.tracking), experiment("datasets", settings.tracking)
        key = f"{corpus} {sha256_file(report)[:16]}"
        if find_run(store, experiment_id, KEY_TAG, key):
            return
        tags = lineage(settings) | {KEY_TAG: key, "kind": "dataset", "corpus": corpus}
        run = store.create_run(experiment_id, run_name=corpus, tags=tags).info.run_id
        store.log_batch(run, metrics=metrics_now(figures))
        store.log_artifact(run, str(report))
        store.set_terminated(run)

    attempt(str(report.parent), log_it, settings.tracking)


def log_encoders(data: DataPaths, settings: Settings) -> None:
    """The figures of the encoders that the pipeline trained, in the experiments of their stages."""
    for modality in MODALITIES:
        stage = data.encoder(modality).name
        metrics = data.metrics(stage)
        if metrics.exists():  # a published checkpoint has none
            log_results(stage, read_json(metrics), {metrics.with_name("history.csv"): stage}, "", settings)


def log_results(
    name: str, metrics: dict[str, float], files: dict[Path, str], score: str, settings: Settings
) -> str | None:
    """Log pooled figures and files to the pipeline run of experiment ``name``; ``score`` goes into its name.

    ``files``: file -> its folder among the run's artifacts; a file of the same name there is replaced.
    Returns the address of the run's page (of `make ui` without a server), None where MLflow did not take it.
    """

    def log_it() -> str:
        store, run = client(settings.tracking), pipeline_run(name, settings)
        store.log_batch(run, metrics=metrics_now(metrics))
        if score:
            store.update_run(run, name=f"{score}, {store.get_run(run).data.tags[TITLE_TAG]}")
        for file, folder in files.items():
            store.log_artifact(run, str(file), folder)
        return run_page(page_address(settings.tracking), experiment(name, settings.tracking), run)

    return attempt(f"the results of {name}", log_it, settings.tracking)


def _score(arms: dict) -> str:
    """The best arm's mean accuracy over folds, for the name of a run."""
    name, arm = max(arms.items(), key=lambda item: item[1]["accuracy"]["mean"])
    return f"{name} {100 * arm['accuracy']['mean']:.1f} %"


def _means(stage: str, arms: dict) -> dict[str, float]:
    """``evaluate/fused/accuracy`` -> mean over folds, under a name that MLflow takes."""
    (figures,) = pd.json_normalize(arms, sep="/").to_dict("records")
    means = {name.removesuffix("/mean"): value for name, value in figures.items() if name.endswith("/mean")}
    return {REFUSED_IN_NAMES.sub("", f"{stage}/{name}"): value for name, value in means.items()}


def _by_group(stage: str, groups: list[dict], protocol: str) -> dict[str, float]:
    """``evaluate/fused/group.sex.female.uar`` -> its pooled value, under a name that MLflow takes."""
    figures = {
        f"{stage}/{row['arm']}/group.{row['grouping']}.{row['group']}.{metric}": row[metric]["pooled"]
        for row in groups
        if row["protocol"] == protocol
        for metric in ("accuracy", "uar")
    }
    return {REFUSED_IN_NAMES.sub("", name): value for name, value in figures.items()}
