"""A fold in MLflow: a run whose name says which arm, which fold and how good, with curves, data, figure and model."""

import json
import time
from pathlib import Path

import pandas as pd
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

from mfer_core.base.files import digest, read_json, read_table
from mfer_core.base.settings import Settings
from mfer_core.evaluation.plots import confusion_figure
from mfer_core.evaluation.summary import fold_scores
from mfer_core.training.inputs import fold_parts
from tasks.lineage import lineage
from tasks.tracking import KEY_TAG, attempt, client, experiment, find_run, pipeline_run

CONTEXT_OF_PART = {"train": "training", "valid": "validation", "test": "testing"}


def log_folds(data: Path, settings: Settings) -> None:
    """Every fold of every stage that is done; what MLflow holds already is left alone."""
    for folder in [data / "pretrain_audio", *sorted(data.glob("train_*/*/fold-*"))]:
        if (folder / "config.json").exists():
            log_fold(folder, settings)


def log_fold(folder: Path, settings: Settings) -> None:
    """Log what a training stage left in ``folder``. When MLflow does not answer, say so and go on: the files stay."""
    config = read_json(folder / "config.json")
    if "skipped" not in config:
        attempt(str(folder), lambda: _log_fold(folder, config, settings), settings.tracking)


def _log_fold(folder: Path, config: dict, settings: Settings) -> None:
    stage = folder.relative_to("data").parts[0]
    name = config.get("protocol", stage)
    store, where = client(settings.tracking), experiment(name, settings.tracking)
    if find_run(store, where, KEY_TAG, config["key"]):
        return
    predictions = read_table(folder / "predictions.parquet")
    scores = fold_scores(predictions, tuple(config["labels"]))
    arm = stage.removeprefix("train_")
    # Short enough to be read whole in the column of names.
    title = f"{arm} f{config['fold']}" if "fold" in config else stage
    tags = (
        _tags(stage, arm, name, config)
        | lineage(settings)
        | {"mlflow.parentRunId": pipeline_run(name, settings)}
    )
    run = store.create_run(where, run_name=f"{title} {100 * scores['accuracy']:.1f} %", tags=tags).info.run_id
    metrics = [
        *_curves(folder / "history.csv"),
        *(Metric(f"test_{key}", value, _now(), 0) for key, value in scores.items()),
    ]
    store.log_batch(run, metrics=metrics, params=_params(stage, config, settings))
    store.log_inputs(run, _inputs(config, settings))
    store.log_figure(run, confusion_figure(predictions, config["labels"], title), "confusion.png")
    store.log_artifacts(run, str(folder), "model")
    store.set_terminated(run)


def _tags(stage: str, arm: str, name: str, config: dict) -> dict[str, str]:
    """What the table of runs is filtered, grouped and compared by, and the encoders behind the fold."""
    tags = {
        KEY_TAG: config["key"],
        "kind": "fold",
        "stage": stage,
        "arm": arm,
        "fold": str(config.get("fold", "")),
        "protocol": name,
    }
    for modality, encoder in config["encoders"].items():
        tags[f"{modality}_encoder"] = (
            f"{encoder.get('name')} {encoder.get('revision') or encoder.get('hash')}"
        )
    # The table of runs opens a pipeline run whose children are evaluations, and keeps others folded away.
    return tags | {
        "mlflow.runType": "evaluation",
        "mlflow.source.name": f"flows/{stage}.py",
        "mlflow.source.type": "LOCAL",
    }


def _now() -> int:
    return int(time.time() * 1000)


def _curves(history: Path) -> list[Metric]:
    """The per-epoch figures as metrics by step."""
    rows, now = pd.read_csv(history), _now()
    names = [name for name in rows.columns if name != "epoch"]
    return [
        Metric(name, float(row[name]), now, int(row["epoch"]))
        for _, row in rows.iterrows()
        for name in names
        if pd.notna(row[name])
    ]


def _params(stage: str, config: dict, settings: Settings) -> list[Param]:
    """The stage's hyperparameters and the encoders they stand on."""
    values = (
        getattr(settings, stage).model_dump()
        | {"seed": settings.seed}
        | {key: config[key] for key in ("refit",) if key in config}
    )
    for modality, encoder in config["encoders"].items():
        values |= {
            f"{modality}_encoder": encoder.get("name"),
            f"{modality}_encoder_hash": encoder.get("hash"),
        }
        values |= {f"{modality}_encoder_finetuned": encoder["finetuned"]} if "finetuned" in encoder else {}
    return [Param(name, str(value)) for name, value in values.items()]


def _inputs(config: dict, settings: Settings) -> list[DatasetInput]:
    """What was trained, chosen and tested on: the fold's parts of the benchmark, or the corpora of stage 2a, with counts."""
    data, roles = Path("data"), settings.roles
    if "fold" not in config:
        corpora = {name: _clips(data, name) for name in roles.pretraining}
        return [_input(name, name, clips, config["data"], "training") for name, clips in corpora.items()]
    manifest = _clips(data, roles.benchmark)
    parts = fold_parts(data, config["protocol"], config["fold"])
    return [
        _input(
            f"{roles.benchmark} {part}",
            roles.benchmark,
            manifest.loc[ids],
            config["data"],
            CONTEXT_OF_PART[part],
        )
        for part, ids in parts.items()
    ]


def _clips(data: Path, corpus: str) -> pd.DataFrame:
    """Label and speaker of a corpus's clips, by clip_id."""
    return read_table(
        data / "ingest" / corpus / "manifest.parquet", ["clip_id", "label", "speaker"]
    ).set_index("clip_id")


def _input(name: str, corpus: str, clips: pd.DataFrame, data: str, context: str) -> DatasetInput:
    profile = {
        "clips": len(clips),
        "speakers": int(clips.speaker.nunique()),
        "labels": clips.label.value_counts().to_dict(),
    }
    source = json.dumps({"uri": f"data/ingest/{corpus}/manifest.parquet"})
    dataset = Dataset(
        name, digest(data, sorted(clips.index))[:16], "local", source, profile=json.dumps(profile)
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
