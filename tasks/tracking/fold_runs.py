"""A fold in MLflow: a run named by arm, fold and accuracy, with curves, data, figure and model. The model
that is handed out has such a run too, without figures: nobody was held out of it.
"""

import json
import time
from pathlib import Path

import pandas as pd
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, SourceType
from mlflow.utils.mlflow_tags import (
    MLFLOW_DATASET_CONTEXT,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_TYPE,
    MLFLOW_SOURCE_NAME,
    MLFLOW_SOURCE_TYPE,
)

from mfer_core.base.files import digest, read_json, read_table
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.dataset.fold import Fold
from mfer_core.evaluation.plots import confusion_figure
from mfer_core.evaluation.summary import fold_scores
from tasks.tracking.lineage import lineage
from tasks.tracking.store import KEY_TAG, attempt, client, experiment, find_run, metrics_now, pipeline_run

CONTEXT_OF_PART = {"train": "training", "valid": "validation", "test": "testing"}
# The table of runs opens a pipeline run whose children are of this type, and keeps others folded away.
OPENED_RUN_TYPE = "evaluation"


def log_folds(data: DataPaths, settings: Settings) -> None:
    """Every fold of every stage that is done, and stage 2a; what MLflow holds already is left alone."""
    folds = data.root.glob("train_*/*/seed-*/fold-*")
    _log_all([data.stage("pretrain_audio"), *sorted(folds)], data, settings)


def log_finals(data: DataPaths, settings: Settings) -> None:
    """Every model that was trained on all clips; what MLflow holds already is left alone.

    To be called where these models are of ``settings``, from which their runs have the hyperparameters: not
    while stage train_final may still have to run.
    """
    _log_all(sorted(data.stage("train_final").glob("*")), data, settings)


def _log_all(folders: list[Path], data: DataPaths, settings: Settings) -> None:
    for folder in folders:
        if (folder / "config.json").exists():
            log_fold(folder, data, settings)


def log_fold(folder: Path, data: DataPaths, settings: Settings) -> None:
    """Log what a training stage left in ``folder``. Where MLflow does not take it, say so and go on."""
    config = read_json(folder / "config.json")
    if "skipped" not in config:
        attempt(str(folder), lambda: _log_fold(folder, config, data, settings), settings.tracking)


def _log_fold(folder: Path, config: dict, data: DataPaths, settings: Settings) -> None:
    stage, is_final = folder.relative_to(data.root).parts[0], _is_final(config)
    if is_final:
        stage = f"train_{folder.name}"
    name = config.get("protocol", stage)
    store, experiment_id = client(settings.tracking), experiment(name, settings.tracking)
    if find_run(store, experiment_id, KEY_TAG, config["key"]):
        return
    arm = stage.removeprefix("train_")
    predictions = None if is_final else read_table(folder / "predictions.parquet")
    scores = {} if predictions is None else fold_scores(predictions, tuple(config["labels"]))
    title = _title(arm, config, scores)
    tags = _tags(stage, arm, name, config) | lineage(settings)
    tags |= {MLFLOW_PARENT_RUN_ID: pipeline_run(name, settings)}
    run = store.create_run(experiment_id, run_name=title, tags=tags).info.run_id
    metrics = _curves(folder / "history.csv") + metrics_now(
        {f"test_{key}": value for key, value in scores.items()}
    )
    store.log_batch(run, metrics=metrics, params=_params(stage, config, settings))
    store.log_inputs(run, _inputs(config, data, settings))
    if predictions is not None:
        store.log_figure(run, confusion_figure(predictions, config["labels"], title), "confusion.png")
    store.log_artifacts(run, str(folder), "model")
    store.set_terminated(run)


def _is_final(config: dict) -> bool:
    """Whether a model was trained on all clips."""
    return "fold" in config and config["fold"] is None


def _title(arm: str, config: dict, scores: dict[str, float]) -> str:
    """A run's name, short enough to be read whole in the column of names."""
    if _is_final(config):
        return f"{arm}, all clips"
    title = f"{arm} f{config['fold']} s{config['seed']}" if "fold" in config else arm
    return f"{title} {100 * scores['accuracy']:.1f} %"


def _tags(stage: str, arm: str, name: str, config: dict) -> dict[str, str]:
    """What the table of runs is filtered, grouped and compared by, and the encoders behind the fold."""
    tags = {
        KEY_TAG: config["key"],
        "kind": "final" if _is_final(config) else "fold",
        "stage": stage,
        "arm": arm,
        "fold": "" if _is_final(config) else str(config.get("fold", "")),
        "seed": str(config.get("seed", "")),
        "protocol": name,
        MLFLOW_RUN_TYPE: OPENED_RUN_TYPE,
        MLFLOW_SOURCE_NAME: f"python -m flows {stage}",
        MLFLOW_SOURCE_TYPE: SourceType.to_string(SourceType.LOCAL),
    }
    for modality, encoder in config["encoders"].items():
        version = encoder.get("revision") or encoder.get("hash")
        tags[f"{modality}_encoder"] = f"{encoder.get('name')} {version}"
    return tags


def _curves(history: Path) -> list[Metric]:
    """The per-epoch figures as metrics by step."""
    rows, now = pd.read_csv(history), int(time.time() * 1000)
    figures = rows.melt("epoch").dropna()
    return [
        Metric(row.variable, float(row.value), now, int(row.epoch)) for row in figures.itertuples(index=False)
    ]


def _params(stage: str, config: dict, settings: Settings) -> list[Param]:
    """The stage's hyperparameters and the encoders they stand on."""
    values = getattr(settings, stage).model_dump() | {"seed": config.get("seed", settings.seed)}
    values |= {key: config[key] for key in ("refit",) if key in config}
    for modality, encoder in config["encoders"].items():
        values[f"{modality}_encoder"] = encoder.get("name")
        values[f"{modality}_encoder_hash"] = encoder.get("hash")
        if "finetuned" in encoder:
            values[f"{modality}_encoder_finetuned"] = encoder["finetuned"]
    return [Param(name, str(value)) for name, value in values.items()]


def _inputs(config: dict, data: DataPaths, settings: Settings) -> list[DatasetInput]:
    """What was trained, chosen and tested on: the fold's parts of the benchmark, or stage 2a's corpora."""
    roles, version = settings.roles, config["data"]
    if "fold" not in config:
        return [
            _input(name, data.manifest(name), _clips(data, name), version, "training")
            for name in roles.pretraining
        ]
    corpus = roles.benchmark
    fold = Fold.read(data.root, corpus, config["protocol"], config["fold"])
    return [
        _input(
            f"{corpus} {part}", data.manifest(corpus), fold.manifest.loc[ids], version, CONTEXT_OF_PART[part]
        )
        for part, ids in fold.parts.items()
        if ids
    ]


def _clips(data: DataPaths, corpus: str) -> pd.DataFrame:
    """Label and speaker of a corpus's clips, by clip_id."""
    return read_table(data.manifest(corpus), ["clip_id", "label", "speaker"]).set_index("clip_id")


def _input(name: str, manifest: Path, clips: pd.DataFrame, version: str, context: str) -> DatasetInput:
    """MLflow's record of ``clips``; ``version`` is the digest of the data that the fold read."""
    profile = {
        "clips": len(clips),
        "speakers": int(clips.speaker.nunique()),
        "labels": clips.label.value_counts().to_dict(),
    }
    content = digest(version, sorted(clips.index))
    source = json.dumps({"uri": manifest.as_posix()})
    dataset = Dataset(name, content, "local", source, profile=json.dumps(profile))
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, context)])
