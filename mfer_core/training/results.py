"""A fold's folder: written step by step, config.json last, which marks it as done under its key."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from mfer_core.base.errors import MferError
from mfer_core.base.files import atomic_path, read_table, write_json, write_table
from mfer_core.base.paths import DataPaths, FoldName
from mfer_core.dataset.clips import Clips
from mfer_core.models.arm import Arm
from mfer_core.models.fusion import Fused
from mfer_core.models.store import CONFIG, SELECTION, WEIGHTS, Blocks, describe_model, save_weights
from mfer_core.protocol.predictions import predictions_schema
from mfer_core.training.fit import logits_of
from mfer_core.training.loop import Run, forget_checkpoints

HISTORY = "history.csv"  # a row per epoch


def write_history(folder: Path, history: list[dict]) -> None:
    with atomic_path(Path(folder) / HISTORY) as temporary:
        pd.DataFrame(history).to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def probability_table(model: nn.Module, clips: Clips, classes: tuple[str, ...]) -> pd.DataFrame:
    """clip_id, label and one probability column per class."""
    values = (
        torch.softmax(logits_of(model, clips), 1).numpy()
        if len(clips)
        else torch.zeros(0, len(classes)).numpy()
    )
    table = pd.DataFrame(values, columns=list(classes))
    table.insert(0, "clip_id", list(clips.clip_ids))
    table.insert(1, "label", [classes[label] for label in clips.labels.tolist()])
    return table


def finish(
    run: Run,
    models: Mapping[str, tuple[Arm | Fused, Blocks]],
    history: list[dict],
    predictions: pd.DataFrame | None,
    classes: tuple[str, ...],
    facts: dict,
) -> Path:
    """Write a trained model's files, the marker last; ``models`` by file, each with the blocks of encoders
    that were trained with it; ``predictions`` where something was held out.
    """
    (run.folder / SELECTION).unlink(missing_ok=True)
    for file, (model, blocks) in models.items():
        save_weights(run.folder, model, blocks, file)
    write_history(run.folder, history)
    if predictions is not None:
        write_table(run.folder / "predictions.parquet", predictions, predictions_schema(classes))
    write_json(
        run.folder / CONFIG,
        {"key": run.key, "model": describe_model(models[WEIGHTS][0]), "labels": list(classes), **facts},
    )
    forget_checkpoints(run.folder)
    return run.folder


def _remove_others(stage: Path, keep: set[Path]) -> None:
    """Remove the folders of protocols, of seeds and of folds that none of ``keep`` is or lies in."""
    wanted = keep.union(*(folder.parents for folder in keep))
    for level in ("*", "*/*", "*/*/*"):
        for folder in {path for path in stage.glob(level) if path.is_dir()} - wanted:
            shutil.rmtree(folder)


def collect(data: Path, stage: str, classes: tuple[str, ...], expected: list[FoldName]) -> pd.DataFrame:
    """Put the folds' predictions into ``data/<stage>/predictions.parquet`` and remove folders of folds that
    are no more.

    ``expected``: an empty list (an arm that is not trained) gives an empty table.
    Raises MferError naming the first fold that is not done.
    """
    schema = predictions_schema(classes)
    paths = DataPaths(Path(data))
    _remove_others(paths.stage(stage), {paths.fold(stage, *name) for name in expected})
    tables = [schema.empty_table().to_pandas()]
    for protocol, seed, fold in expected:
        folder = paths.fold(stage, protocol, seed, fold)
        if not (folder / CONFIG).exists():
            raise MferError(f"{stage}: fold {fold} of {protocol} with seed {seed} is not done: {folder}")
        tables.append(read_table(folder / "predictions.parquet", schema.names))
    table = pd.concat([part for part in tables if len(part)] or tables).reset_index(drop=True)
    write_table(paths.predictions(stage), table, schema)
    return table
