"""A fold's folder: written step by step, config.json last, which marks it as done under its key."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import torch
from torch import nn

from mfer_core.base.errors import MferError
from mfer_core.base.files import atomic_path, read_json, read_table, write_json, write_table
from mfer_core.models.arm import Arm
from mfer_core.models.fusion import Fused
from mfer_core.models.store import CHOOSER, CONFIG, WEIGHTS, Blocks, describe_model, save_weights
from mfer_core.training.clips import Clips
from mfer_core.training.fit import logits_of
from mfer_core.training.loop import Run, forget_checkpoints


def predictions_schema(classes: tuple[str, ...]) -> pa.Schema:
    """One row per prediction: who, where, by which arm, the true label, and a probability per class name."""
    fields = [
        ("clip_id", pa.string()),
        ("protocol", pa.string()),
        ("fold", pa.int32()),
        ("arm", pa.string()),
        ("label", pa.string()),
    ]
    return pa.schema(fields + [(name, pa.float32()) for name in classes])


def fold_folder(data: Path, stage: str, protocol: str, fold: int) -> Path:
    return Path(data) / stage / protocol.replace(":", "-") / f"fold-{fold}"


def is_done(folder: Path, key: str) -> bool:
    """Whether the folder holds finished results under ``key``."""
    path = Path(folder) / CONFIG
    return path.exists() and read_json(path)["key"] == key


def begin(folder: Path) -> None:
    """Make the folder and take the mark of older results away, so that none can pass for the new ones."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / CONFIG).unlink(missing_ok=True)


def write_history(folder: Path, history: list[dict]) -> None:
    with atomic_path(Path(folder) / "history.csv") as temporary:
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


def fit_temperature(model: nn.Module, clips: Clips) -> float:
    """The temperature (> 0) that calibrates the model on ``clips``: least cross-entropy on a grid (Guo et al. 2017)."""
    logits = logits_of(model, clips)
    grid = torch.logspace(-1, 1, 81)  # 0.1 .. 10
    losses = [nn.functional.cross_entropy(logits / temperature, clips.labels).item() for temperature in grid]
    return round(grid[losses.index(min(losses))].item(), 4)


def finish(
    run: Run,
    models: Mapping[str, tuple[Arm | Fused, Blocks]],
    history: list[dict],
    predictions: pd.DataFrame,
    classes: tuple[str, ...],
    facts: dict,
) -> Path:
    """Write a trained fold's files, the marker last; ``models`` by file, each with the blocks of encoders that were trained with it."""
    (run.folder / CHOOSER).unlink(missing_ok=True)
    for file, (model, blocks) in models.items():
        save_weights(run.folder, model, blocks, file)
    write_history(run.folder, history)
    write_table(run.folder / "predictions.parquet", predictions, predictions_schema(classes))
    write_json(
        run.folder / CONFIG,
        {"key": run.key, "model": describe_model(models[WEIGHTS][0]), "labels": list(classes), **facts},
    )
    forget_checkpoints(run.folder)
    return run.folder


def _remove_others(stage: Path, keep: set[Path]) -> None:
    for folder in set(stage.glob("*/fold-*")) - keep:
        shutil.rmtree(folder)
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()


def collect(
    data: Path, stage: str, classes: tuple[str, ...], expected: list[tuple[str, int]]
) -> pd.DataFrame:
    """Put the folds' predictions into ``data/<stage>/predictions.parquet`` and remove folders of folds that are no more.

    ``expected`` lists (protocol, fold); an empty one (an arm that is not trained) gives an empty table.
    Raises MferError naming the first fold that is not done.
    """
    schema = predictions_schema(classes)
    _remove_others(
        Path(data) / stage, {fold_folder(data, stage, protocol, fold) for protocol, fold in expected}
    )
    tables = [schema.empty_table().to_pandas()]
    for protocol, fold in expected:
        folder = fold_folder(data, stage, protocol, fold)
        if not (folder / CONFIG).exists():
            raise MferError(f"{stage}: fold {fold} of {protocol} is not done: {folder}")
        tables.append(read_table(folder / "predictions.parquet", schema.names))
    table = pd.concat([part for part in tables if len(part)] or tables).reset_index(drop=True)
    write_table(Path(data) / stage / "predictions.parquet", table, schema)
    return table
