"""The one training loop: of stages 1 to 3 and of both encoders.

A run that is killed goes on after its last whole epoch and ends with the same bytes, because every epoch
draws its random numbers from a seed of its own and the checkpoint after it holds all else.
"""

import json
import logging
import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from mfer_core.base.files import atomic_path, digest
from mfer_core.encoders.device import choose_device, exact_products

log = logging.getLogger("mfer")
CHECKPOINT = "checkpoint.safetensors"
REFIT = "refit"  # folder of the second fit's checkpoint, inside the run's own
Row = dict[str, float]  # one epoch's figures: a row of history.csv


@dataclass(frozen=True)
class Run:
    """What tells one training run from another: its folder, its key and its seed."""

    folder: Path
    key: str
    seed: int
    name: str  # for log lines
    fold: int = 0  # spreads folds over several GPUs

    def refit(self) -> "Run":
        """The same run on more clips, after this one has chosen the number of epochs."""
        folder = self.folder / REFIT
        folder.mkdir(exist_ok=True)
        return replace(self, folder=folder, name=f"{self.name}, refit")

    def device(self, name: str) -> torch.device:
        """What the setting ``device`` means for this run. Raises MferError for a device that is not here."""
        return choose_device(name, self.fold)


def seed_of(*parts: object) -> int:
    """A seed from whatever names a job."""
    return int(digest(*parts), 16) % 2**31


class Training(ABC):
    """What a run trains, and how one epoch of it goes."""

    model: nn.Module  # all that learns and all that is restored after a crash
    optimiser: Optimizer
    schedule: LRScheduler
    epochs: int
    patience: int = 0  # epochs without a better one before training stops; 0 never stops
    logs_epochs = False  # whether every epoch is worth a log line
    keeps_start = False  # whether the weights before the first epoch are kept where no epoch is better

    def before(self) -> Row:
        """Figures of the weights before the first epoch; called where ``keeps_start``."""
        return {}

    @abstractmethod
    def epoch(self, rng: np.random.Generator) -> Row:
        """Train one epoch, validate, move the schedule; returns the epoch's figures. torch's own generator is
        seeded.
        """

    @abstractmethod
    def better(self, new: Row, best: Row) -> bool:
        """Whether the weights after the epoch ``new`` are to be kept rather than those after ``best``."""


@dataclass
class Progress:
    """How far a run is: the epochs' figures and the weights of the best epoch so far."""

    history: list[Row]
    best: dict[str, Tensor]
    best_epoch: int  # 0 before the first, and where the start is best

    @property
    def done(self) -> int:
        """Epochs that are trained."""
        return int(self.history[-1]["epoch"]) if self.history else 0

    def ended(self, training: Training) -> bool:
        stale = training.patience > 0 and self.done - self.best_epoch >= training.patience
        return self.done >= training.epochs or stale

    @property
    def best_row(self) -> Row:
        return next(row for row in self.history if row["epoch"] == self.best_epoch)

    @property
    def rates(self) -> list[float]:
        """The learning rates up to the best epoch."""
        return [row["lr"] for row in self.history if 0 < row["epoch"] <= self.best_epoch]


@exact_products()
def run_epochs(training: Training, run: Run) -> Progress:
    """Train to the end, from the checkpoint in ``run.folder`` where one of the same key lies there.

    Leaves the model on the CPU, with the weights of its best epoch.
    """
    progress = _load_checkpoint(training, run) or _start(training)
    while not progress.ended(training):
        epoch = progress.done + 1
        torch.manual_seed(seed_of(run.seed, epoch))
        row = {"epoch": epoch} | training.epoch(np.random.default_rng([run.seed, epoch]))
        if not progress.best or training.better(row, progress.best_row):
            progress.best, progress.best_epoch = _weights(training.model), epoch
        progress.history.append(row)
        _save_checkpoint(training, run, progress)
        if training.logs_epochs:
            log.info("%s: epoch %d of %d, %s", run.name, epoch, training.epochs, _figures(row))
    training.model.cpu().load_state_dict(progress.best)
    best = progress.best_row
    log.info("%s: epoch %d of %d kept, %s", run.name, progress.best_epoch, progress.done, _figures(best))
    return progress


def _start(training: Training) -> Progress:
    if not training.keeps_start:
        return Progress([], {}, 0)
    return Progress([{"epoch": 0} | training.before()], _weights(training.model), 0)


def _figures(row: Row) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in row.items() if name != "epoch")


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def _save_checkpoint(training: Training, run: Run, progress: Progress) -> None:
    """Write all that the next epoch needs, in one safetensors file; values that are no tensors are JSON in
    its header.
    """
    optimiser = training.optimiser.state_dict()
    tensors = {f"model.{name}": value for name, value in training.model.state_dict().items()}
    for index, values in optimiser["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value for name, value in values.items()}
    if progress.best_epoch < progress.done:  # else the best weights are the model's
        tensors |= {f"best.{name}": value for name, value in progress.best.items()}
    state = {
        "key": run.key,
        "history": progress.history,
        "best_epoch": progress.best_epoch,
        "schedule": training.schedule.state_dict(),
        "groups": [{**group, "params": None} for group in optimiser["param_groups"]],
    }
    copies = {name: value.detach().cpu().clone() for name, value in tensors.items()}
    with atomic_path(run.folder / CHECKPOINT) as temporary:
        save_file(copies, temporary, {"state": json.dumps(state)})


def _load_checkpoint(training: Training, run: Run) -> Progress | None:
    """Bring a run back to where its checkpoint left it; None where no checkpoint has ``run.key``."""
    path = run.folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            state = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError:
        path.unlink()  # not a file of this program: atomic renames leave none that is half written
        return None
    if state["key"] != run.key:
        return None
    training.model.load_state_dict(_part(tensors, "model."))
    _restore_optimiser(training.optimiser, _part(tensors, "optimiser."), state["groups"])
    training.schedule.load_state_dict(state["schedule"])
    best = _part(tensors, "best.") or _weights(training.model)
    return Progress(state["history"], best, state["best_epoch"])


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _restore_optimiser(optimiser: Optimizer, tensors: dict[str, Tensor], groups: list[dict]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    current = optimiser.state_dict()["param_groups"]
    merged = [saved | {"params": now["params"]} for saved, now in zip(groups, current, strict=True)]
    optimiser.load_state_dict({"state": state, "param_groups": merged})


def forget_checkpoints(folder: Path) -> None:
    """Remove a run's checkpoints, once its results are written."""
    (Path(folder) / CHECKPOINT).unlink(missing_ok=True)
    shutil.rmtree(Path(folder) / REFIT, ignore_errors=True)
