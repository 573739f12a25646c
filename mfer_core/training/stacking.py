"""Models that were trained apart, put into one linear layer with shares that the validation clips set.

An arm with a probe decides by its GRU and by a logistic regression on mean and deviation of the same
embeddings. Both are linear in what they read, so that the two together are one linear layer over the GRU's
state with the clip's statistics beside it. The regression is fitted by itself, as the probe is, and not by
gradient steps with the GRU: from few clips such steps overfit its many weights, and where it fits the
training clips perfectly nothing is left for the GRU to learn. How much either counts is fitted on the
validation clips (stacking, Wolpert 1992). The GRU's epoch was chosen on these clips too, which makes it look
better there than it is; so the GRU is heard only where the gain is beyond chance, and else the arm is its
probe. Stage 3 starts from both arms in the same way, and its own training counts by the same rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor, nn

from mfer_core.base.modalities import MODALITIES
from mfer_core.dataset.clips import Clips, in_order
from mfer_core.dataset.steps import in_memory
from mfer_core.models.arm import Arm
from mfer_core.models.fusion import Fused
from mfer_core.models.regression import STRENGTHS, Regression, fit_regression

LARGEST_SHARE = 2.0  # A larger share would be certainty learned from a few clips.
# What training has to gain to count, in standard errors of the mean difference of the clips' losses.
CERTAINTY = 2.0
SMALLEST = 1e-8  # The deviation below which a statistic counts as constant.
BATCH = 64
Layer = tuple[Tensor, Tensor]  # weight [C, S] and bias [C], float64


@dataclass(frozen=True)
class Stacked:
    """What the validation clips decided."""

    shares: tuple[float, ...]  # a factor per model of its logits
    strength: float | None = None  # of the regression, where there is one

    @property
    def facts(self) -> dict:
        return {"shares": [round(share, 4) for share in self.shares], "strength": self.strength}


def _losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each clip, nats, of logits [N, C]."""
    return nn.functional.cross_entropy(logits.double(), labels, reduction="none")


def beyond_chance(before: Tensor, after: Tensor, labels: Tensor) -> bool:
    """Whether the loss of ``after`` (logits [N, C]) is lower by more than ``CERTAINTY`` standard errors."""
    gain = _losses(before, labels) - _losses(after, labels)
    return bool(gain.mean() > CERTAINTY * gain.std() / len(gain) ** 0.5)


def log_loss(logits: Tensor, labels: Tensor) -> float:
    """Mean cross-entropy, nats, of logits [N, C]."""
    return _losses(logits, labels).mean().item()


def shares_of(logits: Sequence[Tensor], labels: Tensor) -> tuple[float, ...]:
    """How much each of several models counts: factors of their logits [N, C], from 0 to ``LARGEST_SHARE``,
    whose sum has the lowest loss on clips that none of the models has seen. The problem is convex.
    """
    stacked = torch.stack(list(logits)).double()  # [M, N, C]

    def loss(shares: np.ndarray) -> tuple[float, np.ndarray]:
        factors = torch.from_numpy(shares).requires_grad_()
        value = nn.functional.cross_entropy(torch.tensordot(factors, stacked, 1), labels)
        (slope,) = torch.autograd.grad(value, factors)
        return value.item(), slope.numpy()

    start, bounds = np.full(len(logits), 1 / len(logits)), [(0.0, LARGEST_SHARE)] * len(logits)
    return tuple(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x.tolist())


@torch.no_grad()
def states_of(arm: Arm, clips: Clips) -> Tensor:
    """What the arm's classifier reads of each clip, float32 [N, S]."""
    arm.eval()
    only = replace(clips, modalities={arm.config.modality: clips.modalities[arm.config.modality]}, views={})
    rows: dict[int, Tensor] = {}
    for indices, ((values, lengths), _) in in_order(only, BATCH):
        rows |= dict(zip(indices, arm.encode(values, lengths), strict=True))
    return torch.stack([rows[i] for i in range(len(clips))])


def with_probe(arm: Arm, train: Clips, valid: Clips, decided: Stacked | None = None) -> tuple[Arm, Stacked]:
    """The trained ``arm`` with a logistic regression on ``train`` beside its GRU; every clip has the
    modality.

    The strength of the regression and the shares of both are chosen on ``valid``, unless an earlier call has
    ``decided``.
    """
    wide = _with_statistics(arm, train)
    states = states_of(wide, train).double().numpy()[:, arm.config.gru_state_size :]
    strengths = STRENGTHS if decided is None else [decided.strength or 0.0]
    regressions = fit_regression(states, train.labels.numpy(), len(arm.config.classes), strengths)
    layers = [_padded(arm.classifier, wide.config.state_size)]
    layers += [_after(regression, arm.config.gru_state_size) for regression in regressions]
    if decided is None:
        gru, *probes = (states_of(wide, valid).double() @ weight.T + bias for weight, bias in layers)
        best = int(np.argmin([log_loss(logits, valid.labels) for logits in probes]))
        decided = Stacked(_both_or_probe(gru, probes[best], valid.labels), STRENGTHS[best])
        layers = [layers[0], layers[1 + best]]
    set_sum(wide.classifier, layers, decided.shares)
    return wide.eval(), decided


def _both_or_probe(gru: Tensor, probe: Tensor, labels: Tensor) -> tuple[float, float]:
    """The shares of both where the GRU betters the probe alone beyond chance."""
    (alone,), (first, second) = shares_of([probe], labels), shares_of([gru, probe], labels)
    heard = beyond_chance(alone * probe, first * gru + second * probe, labels)
    return (first, second) if heard else (0.0, alone)


def _with_statistics(arm: Arm, train: Clips) -> Arm:
    """The arm, its classifier apart, with a state that holds the clip's statistics, standardised by
    ``train``.
    """
    wide = Arm(replace(arm.config, probe=True))
    wide.gru.load_state_dict(arm.gru.state_dict())
    wide.mean.copy_(arm.mean)
    wide.scale.copy_(arm.scale)
    raw = states_of(wide, train).double()[:, arm.config.gru_state_size :]
    std, mean = torch.std_mean(raw, 0, correction=0)
    wide.statistics_mean.copy_(mean)
    wide.statistics_scale.copy_(torch.where(std > SMALLEST, 1 / std.clamp(min=SMALLEST), 0.0))
    return wide


def _padded(layer: nn.Linear, size: int) -> Layer:
    """The layer over a state of ``size`` that begins with its own."""
    weight = layer.weight.detach().double()
    return nn.functional.pad(weight, (0, size - weight.shape[1])), layer.bias.detach().double()


def _after(regression: Regression, size: int) -> Layer:
    """The regression over a state whose first ``size`` values are not its own."""
    return nn.functional.pad(torch.from_numpy(regression.weight), (size, 0)), torch.from_numpy(
        regression.bias
    )


@torch.no_grad()
def set_sum(target: nn.Linear, layers: Sequence[Layer], shares: Sequence[float]) -> None:
    """Make ``target`` the sum of ``layers`` over one state, each times its share."""
    factors = torch.tensor(shares, dtype=torch.float64)
    weights, biases = (torch.stack(several) for several in zip(*layers, strict=True))
    target.weight.copy_(torch.tensordot(factors, weights, 1))
    target.bias.copy_(torch.tensordot(factors, biases, 1))


def share_out(fused: Fused, valid: Clips, decided: Stacked | None = None) -> Stacked:
    """Let the head of ``fused`` begin as the product of both arms' probabilities, each to the power of a
    share that is chosen on ``valid`` (hidden states, see ``fit.hidden_states``), unless an earlier call has
    ``decided``.
    """
    visual, audio = fused.visual.classifier, fused.audio.classifier
    size = fused.head.classifier.in_features
    behind = nn.functional.pad(audio.weight.detach().double(), (visual.in_features, 0))
    layers = [_padded(visual, size), (behind, audio.bias.detach().double())]
    if decided is None:
        states = torch.cat([_states_in(valid, name) for name in MODALITIES], 1).double()
        decided = Stacked(shares_of([states @ weight.T + bias for weight, bias in layers], valid.labels))
    set_sum(fused.head.classifier, layers, decided.shares)
    return decided


def _states_in(clips: Clips, modality: str) -> Tensor:
    """[N, H] of clips whose embeddings are one hidden state each; zeros for one that lacks the modality."""
    absent = torch.zeros(clips.dims[modality])
    values = (in_memory(value) for value in clips.modalities[modality])
    return torch.stack([absent if value is None else value[0] for value in values])
