"""Adaptation with k labelled clips per class: which clips, and what is learned from them."""

import numpy as np
import torch
from torch import Tensor, nn

from mfer_core.evaluation.target import Features

ITERATIONS = 30  # the loss is convex, with one minimum
PULL = 0.5  # what the squared distance to the source classifier weighs, against one clip: few clips move it little


def draw_supports(
    labels: np.ndarray, speakers: np.ndarray, shots: list[int], draw: int, seed: int
) -> tuple[dict[int, np.ndarray], np.ndarray, bool]:
    """Number of shots -> indices of support clips; indices of the query clips; whether no speaker is in both.

    A support holds as many clips of each class (fewer where a class has fewer), a smaller one part of the larger, and all
    are scored on the same query: the figures differ by the shots alone. Speakers are taken in turn, another first in each
    ``draw``, until every class has enough clips, and the others are the query. When none would be left, clips are drawn
    regardless of speaker.
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
    """Logits [N, C] of all clips after the classifier has been fitted on the ``support`` clips, pulled towards where it was."""
    weight, bias = nn.Parameter(features.weight.clone()), nn.Parameter(features.bias.clone())
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")
    inputs, targets = features.inputs[support], labels[support]

    def loss() -> Tensor:
        optimiser.zero_grad()
        moved = (weight - features.weight).square().sum() + (bias - features.bias).square().sum()
        value = nn.functional.cross_entropy(inputs @ weight.T + bias, targets) + PULL / len(targets) * moved
        value.backward()
        return value

    optimiser.step(loss)
    return (features.inputs @ weight.T + bias).detach()
