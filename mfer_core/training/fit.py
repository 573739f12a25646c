"""Training of an arm, or of both with their head, on the clips of a fold: sampling, class weights, optimiser,
schedule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import ExponentialLR, LambdaLR, LRScheduler, ReduceLROnPlateau, StepLR

from mfer_core.base.settings import Train
from mfer_core.dataset.clip_encoder import ClipEncoder, learning_encoders
from mfer_core.dataset.clips import Clips, at_random, bucketed, collate, in_order
from mfer_core.dataset.logits import PREDICT_BATCH, logits_of
from mfer_core.models.arm import Arm
from mfer_core.models.finetuned import FineTuned
from mfer_core.models.fusion import Fused
from mfer_core.protocol.metrics import decision_scores
from mfer_core.training.loop import Progress, Row, Run, Training, run_epochs

Group = dict  # {"params": [...], "lr": float}


def class_weights(labels: Tensor, classes: int, power: float) -> Tensor:
    """Loss weight per class [C], ~ 1 / (count * classes) ** power, mean 1 over the clips; 0 for a class
    without clips.

    Reference method, "Loss".
    """
    counts = torch.bincount(labels, minlength=classes).double()
    weights = torch.where(counts > 0, 1 / (counts.clamp(min=1) * classes) ** power, 0.0)
    return (weights / (weights * counts).sum() * counts.sum()).float()


def draw(labels: np.ndarray, classes: int, power: float, rng: np.random.Generator) -> np.ndarray:
    """Indices of one epoch [N]: with replacement, weight ~ 1 / (classes * count) ** power; a plain shuffle
    when power is 0.

    Reference method, "Sampling".
    """
    if power == 0:
        return rng.permutation(len(labels))
    counts = np.bincount(labels, minlength=classes)
    weights = 1 / (classes * counts[labels]) ** power
    return rng.choice(len(labels), len(labels), p=weights / weights.sum())


def hide_modalities(present: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Modality dropout: which modalities of which clips are hidden, bool [N, M].

    With probability ``share`` one modality of a clip that has several (``present`` bool [N, M]).
    """
    chosen = rng.integers(present.shape[1], size=len(present))
    hit = (rng.random(len(present)) < share) & (present.sum(1) > 1)
    return (np.arange(present.shape[1]) == chosen[:, None]) & hit[:, None]


def trainable(model: nn.Module, learning_rate: float) -> list[Group]:
    """One parameter group of all that asks for a gradient."""
    return [{"params": [value for value in model.parameters() if value.requires_grad], "lr": learning_rate}]


def build_optimiser(groups: list[Group], section: Train) -> Optimizer:
    """The optimiser that the settings name, in its fused form (one pass over the parameters per step) on
    every device.
    """
    kind = {"adam": Adam, "adamw": AdamW}[section.optimiser]
    return kind(groups, lr=section.learning_rate, weight_decay=section.weight_decay, fused=True)


def build_schedule(optimiser: Optimizer, section: Train, rates: Sequence[float] | None = None) -> LRScheduler:
    """The schedule of the learning rate, stepped once per epoch.

    With ``rates``, the first group takes these epoch by epoch, and every group keeps its proportion to the
    first.
    """
    if rates:
        return LambdaLR(optimiser, lambda epoch: rates[min(epoch, len(rates) - 1)] / rates[0])
    factor = section.schedule_factor
    if section.schedule == "plateau":
        patience, threshold = section.schedule_patience, section.schedule_threshold
        return ReduceLROnPlateau(optimiser, factor=factor, patience=patience, threshold=threshold)
    if section.schedule == "step":
        return StepLR(optimiser, section.schedule_step, factor)
    return ExponentialLR(optimiser, 1.0 if section.schedule == "constant" else factor)


def head_inputs(fused: Fused, clips: Clips) -> Clips:
    """The clips with each modality's embeddings, in every view, replaced by what the head reads of them."""
    fused.eval()
    states = _rows(fused, clips)
    views: dict[str, list] = {}
    for name, copies in clips.views.items():
        shown = (replace(clips, modalities={**clips.modalities, name: view}) for view in copies)
        views[name] = [_rows(fused, clips_in_view)[name] for clips_in_view in shown]
    sizes = {"visual": fused.head.row_size(fused.visual), "audio": fused.head.row_size(fused.audio)}
    return replace(clips, modalities=states, dims=sizes, views=views)


@torch.no_grad()
def _rows(fused: Fused, clips: Clips) -> dict[str, list]:
    states: dict[str, list] = {"visual": [None] * len(clips), "audio": [None] * len(clips)}
    for indices, (inputs, _) in in_order(clips, PREDICT_BATCH):
        arms = zip(states, (fused.visual, fused.audio), inputs[::2], inputs[1::2], strict=True)
        for name, arm, values, lengths in arms:
            for i, rows, count in zip(indices, *fused.rows(arm, values, lengths), strict=True):
                states[name][i] = rows[:count].clone() if count else None
    return states


def validate(model: nn.Module, clips: Clips) -> Row:
    """Loss, accuracy and UAR over all clips at once."""
    logits = logits_of(model, clips)
    scores = decision_scores(clips.labels.numpy(), logits.argmax(1).numpy(), logits.shape[1])
    loss = nn.functional.cross_entropy(logits.float(), clips.labels).item()
    return {"valid_loss": loss, "valid_accuracy": scores["accuracy"], "valid_uar": scores["uar"]}


class ClipTraining(Training):
    """A model on the training clips of a fold, validated on the inner split.

    With ``rates``, the learning rates that an earlier fit took to its best epoch, nothing is left to
    choose: the model is trained for as many epochs at these rates, and ``valid`` is not looked at.
    ``keeps_start``: the weights that the model comes with are kept where no epoch is better.
    """

    def __init__(
        self,
        model: nn.Module,
        groups: list[Group],
        train: Clips,
        valid: Clips,
        classes: int,
        section: Train,
        device: torch.device,
        rates: Sequence[float] | None = None,
        keeps_start: bool = False,
    ):
        self.model, self.train, self.valid, self.section = model.to(device), train, valid, section
        self.device, self.chooses, self.keeps_start = device, rates is None, keeps_start
        self.epochs, self.patience = (section.epochs, section.patience) if rates is None else (len(rates), 0)
        self.optimiser = build_optimiser(groups, section)
        self.schedule = build_schedule(self.optimiser, section, rates)
        self.classes = classes
        weights = class_weights(train.labels, classes, section.class_weight_power).to(device)
        self.loss = nn.CrossEntropyLoss(weights, label_smoothing=section.label_smoothing)

    def before(self) -> Row:
        return validate(self.model, self.valid) if self.chooses else {}

    def epoch(self, rng: np.random.Generator) -> Row:
        rate = self.optimiser.param_groups[0]["lr"]
        row = {"train_loss": self.train_epoch(rng), "lr": rate}
        row |= validate(self.model, self.valid) if self.chooses else {}
        if isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step(row["valid_loss"])
        else:
            self.schedule.step()
        return row

    def better(self, new: Row, best: Row) -> bool:
        """Whether the setting ``select`` prefers ``new``; the lower loss decides a tie. A fit that chooses
        nothing keeps its last epoch.
        """
        if not self.chooses:
            return True
        if self.section.select == "loss":
            return new["valid_loss"] < best["valid_loss"]
        score = f"valid_{self.section.select}"
        return (new[score], -new["valid_loss"]) > (best[score], -best["valid_loss"])

    def train_epoch(self, rng: np.random.Generator) -> float:
        """One pass over the training clips, each in one of its views; returns the mean loss per clip."""
        self.model.train()
        section, clips = self.section, self.train.draw_views(rng)
        order = draw(clips.labels.numpy(), self.classes, section.sampler_power, rng)
        share = section.modality_dropout
        hidden = hide_modalities(clips.present(), share, rng) if share else None
        cut = bucketed if section.batches == "like_length" else at_random
        batches = cut(order, clips.lengths(), section.batch_size, rng)
        # A GPU waits when it is asked for a number, so the sum stays there until the end of the epoch.
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for number, indices in enumerate(batches, 1):
            inputs, labels = collate(clips, indices, hidden, rng)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=section.precision == "bf16"):
                logits = self.model(*(part.to(self.device) for part in inputs))
                targets = labels if clips.targets is None else clips.targets[indices]
                value = self.loss(logits, targets.to(self.device))
            (value / section.accumulation).backward()
            if number % section.accumulation == 0 or number == len(batches):
                self._step()
            total += value.detach() * len(indices)
        return total.item() / len(order)

    def _step(self) -> None:
        if self.section.gradient_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.section.gradient_clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)


def fit(
    model: nn.Module,
    groups: list[Group],
    train: Clips,
    valid: Clips,
    classes: int,
    section: Train,
    run: Run,
    rates: Sequence[float] | None = None,
    keeps_start: bool = False,
) -> Progress:
    """Train ``model`` in place and leave it at its best epoch on ``valid``; with ``rates`` as ClipTraining
    says.
    """
    device = run.device(section.device)
    training = ClipTraining(model, groups, train, valid, classes, section, device, rates, keeps_start)
    return run_epochs(training, run)


def fit_with_encoders(
    model: Arm | Fused,
    groups: list[Group],
    clips: dict[str, Clips],
    classes: int,
    section: Train,
    run: Run,
    encoders: Mapping[str, ClipEncoder],
    rates: Sequence[float] | None = None,
    keeps_start: bool = False,
) -> Progress:
    """``fit``, with the encoders that learn or draw views; afterwards ``encoders`` hold the trained blocks
    (see ``embedded``).
    """
    train, valid = clips["train"], clips["valid"]
    learning = learning_encoders(encoders.values())
    for encoder in encoders.values() if section.views == "each_epoch" else []:
        train = train if encoder in learning else encoder.drawn_clips(train)
    if not learning:
        return fit(model, groups, train, valid, classes, section, run, rates, keeps_start)
    modules = {encoder.modality: encoder.learn() for encoder in learning}
    whole = FineTuned(model, modules)
    for encoder in learning:
        train, valid = encoder.raw_clips(train), encoder.raw_clips(valid)
        rate = encoder.settings.learning_rate
        groups = [*groups, {"params": list(modules[encoder.modality].parameters()), "lr": rate}]
    progress = fit(whole, groups, train, valid, classes, section, run, rates, keeps_start)
    for encoder in learning:
        encoder.learned()
    return progress
