"""Fusion that holds on other data: the arms' calibrated decisions, weighted by how far each can still be trusted.

No label of the new corpus is used. How right an arm is there is estimated from its confidence alone (average
thresholded confidence, Garg et al. 2022): the confidence that as many validation clips exceed as are right; the share
of new clips above it estimates the new accuracy.
"""

import torch
from torch import Tensor

SHARPNESS = 2.0  # how much more the better arm counts: weights ~ (log-odds against chance) ** sharpness


def log_confidence(logits: Tensor, temperature: float) -> Tensor:
    """Calibrated log-probabilities [N, C]."""
    return torch.log_softmax(logits.double() / temperature, 1)


def estimated_accuracy(source: Tensor, source_labels: Tensor, target: Tensor) -> float:
    """Label-free estimate of the accuracy on ``target`` from log-probabilities [N, C] on a labelled source and the target."""
    score = (source.exp() * source).sum(1)  # negative entropy [N]
    right = (source.argmax(1) == source_labels).double().mean()
    threshold = torch.quantile(score, 1 - right)
    return ((target.exp() * target).sum(1) > threshold).double().mean().item()


def trust(accuracy: float, classes: int) -> float:
    """What an arm's decision should count: nothing at chance, growing with its accuracy above it (SAMME's weight, Hastie et al. 2009)."""
    bounded = min(max(accuracy, 1e-3), 1 - 1e-3)
    return max(0.0, float(torch.logit(torch.tensor(bounded)) + torch.log(torch.tensor(classes - 1.0))))


def robust_fusion(decisions: list[Tensor], accuracies: list[float], present: Tensor) -> Tensor:
    """Probabilities [N, C] of arms' calibrated log-probabilities [N, C], weighted by trust; ``present`` [N, arms] says who saw a clip."""
    classes = decisions[0].shape[1]
    weights = torch.tensor([trust(accuracy, classes) ** SHARPNESS for accuracy in accuracies], dtype=torch.float64) + 1e-6
    shares = present.double() * weights  # [N, arms]
    shares = shares / shares.sum(1, keepdim=True).clamp(min=1e-12)
    mixed = sum(share[:, None] * decision for share, decision in zip(shares.T, decisions, strict=True))
    return torch.softmax(mixed, 1)
