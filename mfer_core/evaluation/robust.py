"""Fusion that holds on other data: each arm is as sure as it can still be right there, and then their evidence is added.

Where no arm has lost much of the accuracy that it had on the validation clips, the data are not other data, and the fused
model decides as it was trained to (``at_home``).

No label of the new corpus is used. How right an arm is there is estimated from its confidence alone (average
thresholded confidence, Garg et al. 2022): the confidence that as many validation clips exceed as are right; the share
of new clips above it estimates the new accuracy. An arm that gives everything the same few names is sure and wrong, so
the estimate shrinks with the variety of its answers against that on the validation clips. The arm's temperature is then
raised until its mean confidence equals that estimate. An arm near chance is left with next to no say.
"""

import torch
from torch import Tensor

KEPT = 2 / 3  # of its accuracy: an arm that is believed to have kept less is on other data
HALVINGS = 40  # of the interval in which the temperature is sought
LIMITS = (1e-2, 1e3)  # temperatures


def negative_entropy(logits: Tensor) -> Tensor:
    """Confidence score [N] of logits [N, C]."""
    log_probabilities = torch.log_softmax(logits, 1)
    return (log_probabilities.exp() * log_probabilities).sum(1)


def estimated_accuracy(source: Tensor, source_labels: Tensor, target: Tensor) -> float:
    """Label-free estimate of the accuracy on ``target`` from logits [N, C] on a labelled source and on the target."""
    right = (source.argmax(1) == source_labels).double().mean()
    threshold = torch.quantile(negative_entropy(source), 1 - right)
    return (negative_entropy(target) > threshold).double().mean().item()


def variety(logits: Tensor) -> float:
    """How many classes the decisions on logits [N, C] are spread over: the exponential of their entropy, 1..C."""
    shares = torch.bincount(logits.argmax(1), minlength=logits.shape[1]).double() / len(logits)
    return torch.special.entr(shares).sum().exp().item()


def believed_accuracy(source: Tensor, source_labels: Tensor, target: Tensor) -> float:
    """The estimate, shrunk by what variety the decisions on the target lack."""
    return estimated_accuracy(source, source_labels, target) * min(1.0, variety(target) / variety(source))


def at_home(believed: list[float], validated: list[float]) -> bool:
    """Whether every arm is believed to be about as right as on the validation clips."""
    return all(now >= KEPT * before for now, before in zip(believed, validated, strict=True))


def matched_temperature(logits: Tensor, accuracy: float) -> float:
    """The temperature at which the mean confidence of ``logits`` [N, C] is ``accuracy``; near its limits when none is."""
    low, high = (torch.tensor(limit, dtype=torch.float64).log() for limit in LIMITS)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        confidence = torch.softmax(logits / middle.exp(), 1).amax(1).mean()
        low, high = (middle, high) if confidence > accuracy else (low, middle)
    return middle.exp().item()


def robust_fusion(logits: list[Tensor], accuracies: list[float], present: Tensor) -> Tensor:
    """Probabilities [N, C] from the arms' logits [N, C]; ``present`` bool [N, arms] says which arm saw which clip."""
    evidence = torch.zeros_like(logits[0], dtype=torch.float64)
    for values, accuracy, seen in zip(logits, accuracies, present.T, strict=True):
        if seen.any():
            temperature = matched_temperature(values[seen].double(), accuracy)
            evidence += torch.log_softmax(values.double() / temperature, 1) * seen[:, None]
    return torch.softmax(evidence, 1)
