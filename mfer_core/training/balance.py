"""Against unequal classes: loss weights and weighted sampling (reference method, "Loss", "Sampling")."""

import numpy as np
import torch
from torch import Tensor


def class_weights(labels: Tensor, classes: int, power: float) -> Tensor:
    """Loss weight per class [C], ~ 1 / (count * classes) ** power, mean 1 over the clips; 0 for a class without clips."""
    counts = torch.bincount(labels, minlength=classes).double()
    weights = torch.where(counts > 0, 1 / (counts.clamp(min=1) * classes) ** power, 0.0)
    return (weights / (weights * counts).sum() * counts.sum()).float()


def draw(labels: np.ndarray, classes: int, power: float, rng: np.random.Generator) -> np.ndarray:
    """Indices of one epoch [N]: with replacement, weight ~ 1 / (classes * count) ** power; a plain shuffle when power is 0."""
    if power == 0:
        return rng.permutation(len(labels))
    counts = np.bincount(labels, minlength=classes)
    weights = 1 / (classes * counts[labels]) ** power
    return rng.choice(len(labels), len(labels), p=weights / weights.sum())


def hide_modalities(present: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Which modalities of which clips to hide [N, M]: with probability ``share`` one, of clips that have several (``present`` [N, M])."""
    chosen = rng.integers(present.shape[1], size=len(present))
    hit = (rng.random(len(present)) < share) & (present.sum(1) > 1)
    return (np.arange(present.shape[1]) == chosen[:, None]) & hit[:, None]
