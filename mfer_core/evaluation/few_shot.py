"""Few-shot adaptation: drawing k labelled clips per class, and fitting the classifier to them (L2-SP)."""

import numpy as np
import torch
from torch import Tensor, nn

from mfer_core.evaluation.target_features import Features

ITERATIONS = 30  # L-BFGS iterations; the loss is convex, with one minimum.
L2_SP_WEIGHT = (
    0.5  # Weight of the L2-SP penalty (squared distance to the source classifier) against one clip's loss.
)


def draw_supports(
    labels: np.ndarray, speakers: np.ndarray, shots: list[int], draw: int, seed: int
) -> tuple[dict[int, np.ndarray], np.ndarray, bool]:
    """Number of shots -> indices of support clips; indices of the query clips; whether no speaker is in both.

    A support holds as many clips of each class (fewer where a class has fewer), a smaller one part of the
    larger, and all are scored on the same query: the figures differ by the shots alone. Speakers are taken in
    turn, another first in each ``draw``, until every class has enough clips, and the others are the query.
    When none would be left, clips are drawn regardless of speaker.
    """
    rng = np.random.default_rng([seed, draw])
    order = np.roll(np.random.default_rng(seed).permutation(sorted(set(speakers))), draw)
    wanted = {label: min(max(shots), int((labels == label).sum())) for label in sorted(set(labels))}
    for count in range(1, len(order)):
        inside = np.isin(speakers, order[:count])
        if all((labels[inside] == label).sum() >= number for label, number in wanted.items()):
            return _nested(np.flatnonzero(inside), labels, wanted, shots, rng), np.flatnonzero(~inside), True
    supports = _nested(np.arange(len(labels)), labels, wanted, shots, rng)
    return supports, np.setdiff1d(np.arange(len(labels)), supports[max(shots)]), False


def _nested(
    pool: np.ndarray, labels: np.ndarray, wanted: dict[int, int], shots: list[int], rng: np.random.Generator
) -> dict:
    chosen = [
        rng.choice(pool[labels[pool] == label], number, replace=False) for label, number in wanted.items()
    ]
    return {count: np.sort(np.concatenate([clips[:count] for clips in chosen])) for count in shots}


def adapt(features: Features, labels: Tensor, support: Tensor) -> Tensor:
    """Logits [N, C] of all clips after fitting the classifier to the ``support`` clips with an L2-SP
    penalty.
    """
    weight, bias = nn.Parameter(features.weight.clone()), nn.Parameter(features.bias.clone())
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")
    inputs, targets = features.inputs[support], labels[support]

    def loss() -> Tensor:
        optimiser.zero_grad()
        moved = (weight - features.weight).square().sum() + (bias - features.bias).square().sum()
        value = (
            nn.functional.cross_entropy(inputs @ weight.T + bias, targets)
            + L2_SP_WEIGHT / len(targets) * moved
        )
        value.backward()
        return value

    optimiser.step(loss)
    return (features.inputs @ weight.T + bias).detach()
