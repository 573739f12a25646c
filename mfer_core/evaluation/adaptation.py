"""Adaptation with k labelled clips per class: which clips, and what is learned from them."""

import numpy as np
import torch
from torch import Tensor, nn

from mfer_core.evaluation.target import Features

STEPS = 100
LEARNING_RATE = 0.02
PULL = 0.5  # what the squared distance to the source classifier weighs, against one clip: few clips move it little


def draw_support(labels: np.ndarray, speakers: np.ndarray, shots: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, bool]:
    """Indices of support (``shots`` per class, fewer where a class has fewer) and query clips, and whether no speaker is in both.

    Speakers are drawn until every class has enough clips and their rest is left out of the query. When that would
    leave no query speaker, clips are drawn regardless of speaker.
    """
    order = rng.permutation(sorted(set(speakers)))
    wanted = {label: min(shots, int((labels == label).sum())) for label in set(labels)}
    for count in range(1, len(order)):
        inside = np.isin(speakers, order[:count])
        if all((labels[inside] == label).sum() >= number for label, number in wanted.items()):
            return _pick(np.flatnonzero(inside), labels, wanted, rng), np.flatnonzero(~inside), True
    support = _pick(np.arange(len(labels)), labels, wanted, rng)
    return support, np.setdiff1d(np.arange(len(labels)), support), False


def _pick(pool: np.ndarray, labels: np.ndarray, wanted: dict[int, int], rng: np.random.Generator) -> np.ndarray:
    chosen = [rng.choice(pool[labels[pool] == label], number, replace=False) for label, number in sorted(wanted.items())]
    return np.sort(np.concatenate(chosen))


def adapt(features: Features, labels: Tensor, support: Tensor) -> Tensor:
    """Logits [N, C] of all clips after the classifier has been fitted on the ``support`` clips, pulled towards where it was."""
    weight, bias = nn.Parameter(features.weight.clone()), nn.Parameter(features.bias.clone())
    optimiser = torch.optim.Adam([weight, bias], lr=LEARNING_RATE)
    inputs, targets = features.inputs[support], labels[support]
    for _ in range(STEPS):
        loss = nn.functional.cross_entropy(inputs @ weight.T + bias, targets)
        loss = loss + PULL / len(targets) * ((weight - features.weight).square().sum() + (bias - features.bias).square().sum())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return (features.inputs @ weight.T + bias).detach()
