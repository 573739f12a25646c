"""The one training loop of all stages."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mfer_core.base.files import digest
from mfer_core.base.settings import Train
from mfer_core.encoders.device import choose_device, exact_products
from mfer_core.training.balance import class_weights, draw, hide_modalities
from mfer_core.training.checkpoint import FILE, Progress, load_checkpoint, save_checkpoint
from mfer_core.training.clips import Clips, bucketed, collate, in_order
from mfer_core.training.optimiser import Group, Replay, Schedule, build_optimiser

log = logging.getLogger("mfer")
PREDICT_BATCH = 64
REFIT = "refit"  # folder of the second fit's checkpoint in the run's own


@dataclass(frozen=True)
class Run:
    """What tells one training run from another: its folder, its key and its seed."""

    folder: Path
    key: str
    seed: int
    name: str  # for log lines
    turn: int = 0  # at the GPUs: of a fold, its number

    def again(self) -> "Run":
        """The same run on more clips, when this one has chosen the number of epochs."""
        folder = self.folder / REFIT
        folder.mkdir(exist_ok=True)
        return replace(self, folder=folder, name=f"{self.name}, refit")

    def device(self, name: str) -> str:
        """The setting ``device`` as this run takes it. Raises MferError for a device that is not here."""
        return str(choose_device(name, self.turn))


def seed_of(*parts: object) -> int:
    """A seed for one job, from whatever names it."""
    return int(digest(*parts), 16) % 2**31


def logits_of(model: nn.Module, clips: Clips) -> Tensor:
    """Logits [N, C] (on the CPU) in the clips' order, in evaluation mode."""
    model.eval()
    device = next(model.parameters()).device
    rows: dict[int, Tensor] = {}
    with torch.no_grad():
        for indices, (inputs, _) in in_order(clips, getattr(model, "predict_batch", PREDICT_BATCH)):
            logits = model(*(value.to(device) for value in inputs)).cpu()
            rows |= dict(zip(indices, logits, strict=True))
    return torch.stack([rows[i] for i in range(len(clips))])


def train_epoch(
    model: nn.Module,
    optimiser: Optimizer,
    loss: nn.Module,
    clips: Clips,
    hyper: Train,
    rng: np.random.Generator,
) -> float:
    """One pass over ``clips``, each in a view of its own, a step every ``hyper.accumulation`` batches; returns the mean loss per clip."""
    model.train()
    clips = clips.draw_views(rng)
    device = next(model.parameters()).device
    order = draw(clips.labels.numpy(), loss.weight.numel(), hyper.sampler_power, rng)
    hidden = hide_modalities(clips.present(), hyper.modality_dropout, rng) if hyper.modality_dropout else None
    batches = bucketed(order, clips.lengths(), hyper.batch_size, rng)
    total = torch.zeros(
        (), dtype=torch.float64, device=device
    )  # read once: asking a GPU for a number waits for it
    for number, indices in enumerate(batches, 1):
        inputs, labels = collate(clips, indices, hidden, rng)
        with torch.autocast(device.type, torch.bfloat16, enabled=hyper.precision == "bf16"):
            value = loss(model(*(part.to(device) for part in inputs)), labels.to(device))
        (value / hyper.accumulation).backward()
        if number % hyper.accumulation == 0 or number == len(batches):
            if hyper.gradient_clip:
                nn.utils.clip_grad_norm_(model.parameters(), hyper.gradient_clip)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        total += value.detach() * len(indices)
    return total.item() / len(order)


def validate(model: nn.Module, clips: Clips) -> dict[str, float]:
    """Loss, accuracy and UAR over all clips at once."""
    logits = logits_of(model, clips)
    hit = (logits.argmax(1) == clips.labels).double()
    recalls = [hit[clips.labels == label].mean().item() for label in clips.labels.unique()]
    loss = nn.functional.cross_entropy(logits.float(), clips.labels).item()
    return {"valid_loss": loss, "valid_accuracy": hit.mean().item(), "valid_uar": float(np.mean(recalls))}


def _better(new: dict, old: dict, select: str) -> bool:
    """Whether an epoch beats the best before it; the lower loss decides a tie."""
    if select == "loss":
        return new["valid_loss"] < old["valid_loss"]
    score = f"valid_{select}"
    return (new[score], -new["valid_loss"]) > (old[score], -old["valid_loss"])


@exact_products()
def fit(
    model: nn.Module,
    groups: list[Group],
    train: Clips,
    valid: Clips,
    classes: int,
    hyper: Train,
    run: Run,
    rates: Sequence[float] = (),
) -> Progress:
    """Train ``model`` in place and leave it at its best epoch on ``valid``.

    With ``rates``, the learning rates that an earlier fit took to its best epoch, there is nothing left to choose: the model
    is trained for as many epochs at these rates, and ``valid`` is not looked at. Continues from the last epoch's checkpoint
    in ``run.folder`` where there is one of the same key; the result is the same either way, since every epoch draws its
    random numbers from its own seed.
    """
    device = run.device(hyper.device)
    model.to(device)
    optimiser = build_optimiser(groups, hyper)
    schedule = Replay(optimiser, rates) if rates else Schedule(optimiser, hyper)
    loss = nn.CrossEntropyLoss(
        class_weights(train.labels, classes, hyper.class_weight_power).to(device),
        label_smoothing=hyper.label_smoothing,
    )
    progress = load_checkpoint(run.folder, run.key, model, optimiser, schedule) or Progress([], {}, 0)
    while len(progress.history) < (len(rates) or hyper.epochs) and not (
        _stale(progress, hyper) and not rates
    ):
        epoch = len(progress.history) + 1
        torch.manual_seed(seed_of(run.seed, epoch))
        rng = np.random.default_rng([run.seed, epoch])
        rate = optimiser.param_groups[0]["lr"]
        row = {
            "epoch": epoch,
            "train_loss": train_epoch(model, optimiser, loss, train, hyper, rng),
            "lr": rate,
        }
        row |= {} if rates else validate(model, valid)
        if (
            rates
            or not progress.best
            or _better(row, progress.history[progress.best_epoch - 1], hyper.select)
        ):
            progress.best = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
            progress.best_epoch = epoch
        progress.history.append(row)
        schedule.step(row.get("valid_loss", 0.0))
        save_checkpoint(run.folder, run.key, model, optimiser, schedule, progress)
    model.cpu().load_state_dict(progress.best)
    _report(run, progress)
    return progress


def _report(run: Run, progress: Progress) -> None:
    best = progress.history[progress.best_epoch - 1]
    if "valid_uar" in best:
        log.info(
            "%s: best of %d epochs is %d (valid uar %.3f)",
            run.name,
            len(progress.history),
            progress.best_epoch,
            best["valid_uar"],
        )


def _stale(progress: Progress, hyper: Train) -> bool:
    """Whether ``patience`` epochs have passed without a better one."""
    return hyper.patience > 0 and len(progress.history) - progress.best_epoch >= hyper.patience


def forget_checkpoint(folder: Path) -> None:
    """Call it when the run's results are written."""
    (Path(folder) / FILE).unlink(missing_ok=True)
    shutil.rmtree(Path(folder) / REFIT, ignore_errors=True)
