"""Models that were trained apart, put into one linear layer with shares that the validation clips set.

An arm with a probe decides by its GRU and by two logistic regressions on statistics of the same embeddings,
which count alike: the probe, on mean and deviation, and one that is whitened within the classes, on the means
of the clip, its halves, thirds and quarters, and the deviation. All are linear in what they read, so that
together they are one linear layer over the GRU's state with the clip's statistics beside it. The regressions
are fitted by themselves and not by gradient steps with the GRU: from few clips such steps overfit their many
weights, and where they fit the training clips perfectly nothing is left for the GRU to learn. How much the
GRU and they count is fitted on the validation clips (stacking, Wolpert 1992). The GRU's epoch was chosen on
these clips too, which makes it look better there than it is; so the GRU is heard only where the gain is
beyond chance. Stage 3 starts from both arms in the same way, and its own training counts by the same rule.
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
from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.models.fusion import Fused, LinearHead, ProductHead
from mfer_core.models.regression import STRENGTHS as PROBE_STRENGTHS
from mfer_core.models.regression import Regression, fit_regression, fit_whitened

PYRAMID = (1, 2, 3, 4)  # The whitened regression reads the means of so many equal parts of a clip.
STRENGTHS = (0.0025, 0.005, 0.01, 0.02, 0.04, 0.08)  # C of that regression, tried on the validation clips
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
    strengths: tuple[float, ...] = ()  # of the regressions, where there are some

    @property
    def facts(self) -> dict:
        return {"shares": [round(share, 4) for share in self.shares], "strengths": list(self.strengths)}


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
    """The trained ``arm`` with logistic regressions on ``train`` beside its GRU; every clip has the modality.

    The strengths of the regressions and the shares of them and the GRU are chosen on ``valid``, unless an
    earlier call has ``decided``.
    """
    wide, size = _with_statistics(arm, train), arm.config.gru_state_size
    statistics = states_of(wide, train).double().numpy()[:, size:]
    tried = (
        [PROBE_STRENGTHS, STRENGTHS] if decided is None else [[strength] for strength in decided.strengths]
    )
    kinds = _regressions(statistics, train, arm.config, tried)
    gru = _padded(arm.classifier, wide.config.state_size)
    if decided is None:
        states, labels = states_of(wide, valid).double(), valid.labels
        statistics = states.numpy()[:, size:]
        kinds = [[min(kind, key=lambda one: _loss_of(one, statistics, labels))] for kind in kinds]
        both = _half_each([kind[0] for kind in kinds], size)
        shares = _both_or_probe(_logits(gru, states), _logits(both, states), labels)
        decided = Stacked(shares, tuple(kind[0].strength for kind in kinds))
    set_sum(wide.classifier, [gru, _half_each([kind[0] for kind in kinds], size)], decided.shares)
    return wide.eval(), decided


def _regressions(
    statistics: np.ndarray, train: Clips, config: ArmConfig, tried: Sequence[Sequence[float]]
) -> list[list[Regression]]:
    """Over the ``statistics`` [N, S] of the clips of ``train``, one of every strength that is ``tried``: the
    probe, which looks at mean and deviation only, and the whitened regression.
    """
    labels, weights = train.labels.numpy(), None
    if train.targets is not None:  # A clip stands once per class that it has a share of, and weighs so much.
        rows, labels = train.targets.numpy().nonzero()
        statistics, weights = statistics[rows], train.targets.numpy()[rows, labels].astype(np.float64)
    classes, ends = len(config.classes), np.r_[: config.step_size, -config.step_size : 0]
    probes = []
    for probe in fit_regression(statistics[:, ends], labels, classes, tried[0], weights):
        weight = np.zeros((classes, statistics.shape[1]))
        weight[:, ends] = probe.weight
        probes.append(replace(probe, weight=weight))
    return [probes, fit_whitened(statistics, labels, classes, tried[1], weights)]


def _loss_of(regression: Regression, statistics: np.ndarray, labels: Tensor) -> float:
    return log_loss(torch.from_numpy(regression.logits(statistics)), labels)


def _logits(layer: Layer, states: Tensor) -> Tensor:
    return states @ layer[0].T + layer[1]  # [N, C]


def _half_each(regressions: Sequence[Regression], size: int) -> Layer:
    """The mean of regressions, over a state whose first ``size`` values are not theirs."""
    weight = torch.from_numpy(np.mean([regression.weight for regression in regressions], 0))
    bias = torch.from_numpy(np.mean([regression.bias for regression in regressions], 0))
    return nn.functional.pad(weight, (size, 0)), bias


def _both_or_probe(gru: Tensor, probe: Tensor, labels: Tensor) -> tuple[float, float]:
    """The shares of both where the GRU betters the regressions alone beyond chance."""
    (alone,), (first, second) = shares_of([probe], labels), shares_of([gru, probe], labels)
    heard = beyond_chance(alone * probe, first * gru + second * probe, labels)
    return (first, second) if heard else (0.0, alone)


def _with_statistics(arm: Arm, train: Clips) -> Arm:
    """The arm, its classifier apart, with a state that holds the clip's statistics, standardised by
    ``train``.
    """
    wide = Arm(replace(arm.config, probe=True, pyramid=PYRAMID))
    wide.take_reader(arm)
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


@torch.no_grad()
def set_sum(target: nn.Linear, layers: Sequence[Layer], shares: Sequence[float]) -> None:
    """Make ``target`` the sum of ``layers`` over one state, each times its share."""
    factors = torch.tensor(shares, dtype=torch.float64)
    weights, biases = (torch.stack(several) for several in zip(*layers, strict=True))
    target.weight.copy_(torch.tensordot(factors, weights, 1))
    target.bias.copy_(torch.tensordot(factors, biases, 1))


def share_out(fused: Fused, valid: Clips, decided: Stacked | None = None) -> Stacked:
    """Let the head of ``fused`` begin as the product of both arms' probabilities, each to the power of a
    share that is chosen on ``valid`` (see ``fit.head_inputs``), unless an earlier call has ``decided``.
    """
    if isinstance(fused.head, ProductHead):
        if decided is None:
            classes = len(fused.classes)
            logits = [_first_rows(valid, name)[:, :classes] for name in MODALITIES]
            decided = Stacked(shares_of(logits, valid.labels))
        fused.head.shares.copy_(torch.tensor(decided.shares))
        return decided
    assert isinstance(fused.head, LinearHead)  # the only other kind
    visual, audio = fused.visual.classifier, fused.audio.classifier
    size = fused.head.classifier.in_features
    behind = nn.functional.pad(audio.weight.detach().double(), (visual.in_features, 0))
    layers = [_padded(visual, size), (behind, audio.bias.detach().double())]
    if decided is None:
        states = torch.cat([_first_rows(valid, name) for name in MODALITIES], 1).double()
        decided = Stacked(shares_of([states @ weight.T + bias for weight, bias in layers], valid.labels))
    set_sum(fused.head.classifier, layers, decided.shares)
    return decided


def _first_rows(clips: Clips, modality: str) -> Tensor:
    """[N, W], the first row of what a head reads of each clip; zeros for one that lacks the modality."""
    absent = torch.zeros(clips.dims[modality])
    values = (in_memory(value) for value in clips.modalities[modality])
    return torch.stack([absent if value is None else value[0] for value in values])
