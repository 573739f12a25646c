"""Optimisers and schedules by the names that the settings use."""

from collections.abc import Sequence

from torch import nn
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import ExponentialLR, LambdaLR, ReduceLROnPlateau, StepLR

from mfer_core.base.settings import Train

Group = dict  # {"params": [...], "lr": float}


def trainable(model: nn.Module, learning_rate: float) -> list[Group]:
    """One parameter group of all that asks for a gradient."""
    return [{"params": [value for value in model.parameters() if value.requires_grad], "lr": learning_rate}]


def build_optimiser(groups: list[Group], hyper: Train) -> Optimizer:
    """One pass over the parameters per step (``fused``), on every device."""
    kind = {"adam": Adam, "adamw": AdamW}[hyper.optimiser]
    return kind(groups, lr=hyper.learning_rate, weight_decay=hyper.weight_decay, fused=True)


class Schedule:
    """Learning rate per epoch: constant, exponential decay, one fall after some epochs, or a fall when the validation loss stands still."""

    def __init__(self, optimiser: Optimizer, hyper: Train):
        self.plateau = hyper.schedule == "plateau"
        factor = 1.0 if hyper.schedule == "constant" else hyper.schedule_factor
        if self.plateau:
            self.scheduler = ReduceLROnPlateau(
                optimiser, factor=factor, patience=hyper.schedule_patience, threshold=hyper.schedule_threshold
            )
        elif hyper.schedule == "step":
            self.scheduler = StepLR(optimiser, hyper.schedule_step, factor)
        else:
            self.scheduler = ExponentialLR(optimiser, factor)

    def step(self, valid_loss: float) -> None:
        """Call it once per epoch."""
        self.scheduler.step(*([valid_loss] if self.plateau else []))

    def state(self) -> dict:
        """JSON-able state."""
        keep = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")
        return {name: value for name, value in self.scheduler.state_dict().items() if name in keep}

    def restore(self, state: dict) -> None:
        self.scheduler.load_state_dict(state)


class Replay:
    """The learning rates of an earlier fit, epoch by epoch; every group keeps its proportion to the first."""

    def __init__(self, optimiser: Optimizer, rates: Sequence[float]):
        self.scheduler = LambdaLR(optimiser, lambda epoch: rates[min(epoch, len(rates) - 1)] / rates[0])

    def step(self, _valid_loss: float) -> None:
        self.scheduler.step()

    def state(self) -> dict:
        return {"last_epoch": self.scheduler.last_epoch}

    def restore(self, state: dict) -> None:
        self.scheduler.last_epoch = state["last_epoch"]
