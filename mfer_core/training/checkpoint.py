"""The state of a training run after an epoch, in one safetensors file: a crash costs an epoch, not a fold."""

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from mfer_core.base.files import atomic_path
from mfer_core.training.optimiser import Replay, Schedule

FILE = "checkpoint.safetensors"


@dataclass
class Progress:
    """How far a run is: the epochs' figures and the weights of the best epoch so far."""

    history: list[dict]
    best: dict[str, Tensor]
    best_epoch: int  # 0 before the first


def _optimiser_tensors(optimiser: Optimizer) -> dict[str, Tensor]:
    state = optimiser.state_dict()["state"]
    return {
        f"optimiser.{index}.{name}": value
        for index, values in state.items()
        for name, value in values.items()
    }


def save_checkpoint(
    folder: Path,
    key: str,
    model: nn.Module,
    optimiser: Optimizer,
    schedule: Schedule | Replay,
    progress: Progress,
) -> None:
    """Write everything the next epoch needs. Random numbers are not part of it: each epoch seeds its own."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()} | _optimiser_tensors(
        optimiser
    )
    tensors |= {f"best.{name}": value for name, value in progress.best.items()}
    rates = [group["lr"] for group in optimiser.param_groups]
    state = {
        "key": key,
        "history": progress.history,
        "best_epoch": progress.best_epoch,
        "schedule": schedule.state(),
        "rates": rates,
    }
    with atomic_path(Path(folder) / FILE) as temporary:
        save_file(
            {name: value.detach().cpu().clone() for name, value in tensors.items()},
            temporary,
            {"state": json.dumps(state)},
        )


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def load_checkpoint(
    folder: Path, key: str, model: nn.Module, optimiser: Optimizer, schedule: Schedule | Replay
) -> Progress | None:
    """Bring a run back to where its checkpoint left it; None when there is no checkpoint of this very run (``key``)."""
    path = Path(folder) / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            state = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError:
        path.unlink()  # not written by this program's atomic rename: start the fold anew
        return None
    if state["key"] != key:
        return None
    model.load_state_dict(_part(tensors, "model."))
    _restore_optimiser(optimiser, _part(tensors, "optimiser."), state["rates"])
    schedule.restore(state["schedule"])
    return Progress(state["history"], _part(tensors, "best."), state["best_epoch"])


def _restore_optimiser(optimiser: Optimizer, tensors: dict[str, Tensor], rates: list[float]) -> None:
    values: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, field = name.split(".", 1)
        values.setdefault(int(index), {})[field] = value
    optimiser.load_state_dict({"state": values, "param_groups": optimiser.state_dict()["param_groups"]})
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        group["lr"] = rate
