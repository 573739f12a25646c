"""Late fusion under domain shift: each arm is rescaled to its estimated target accuracy, and
log-probabilities are summed.

No label of the target corpus is used. An arm's target accuracy is estimated by average thresholded confidence
(ATC, Garg et al. 2022): the threshold is the confidence that as many validation clips exceed as are
classified correctly, and the share of target clips above it is the estimate. An arm that gives all target
clips the same few classes is confident and wrong, so the estimate shrinks by the perplexity of its target
predictions relative to its validation predictions. The arm's temperature is then set so that its mean
confidence equals the estimate; an arm near chance keeps little weight.

Where no arm is estimated to have lost much accuracy there is no domain shift, and the trained fused model
decides.
"""

import torch
from torch import Tensor

# There is domain shift where an arm's estimated accuracy is below this share of its validation accuracy.
IN_DOMAIN_SHARE = 2 / 3
HALVINGS = 40  # Steps of the bisection for the temperature.
LIMITS = (1e-2, 1e3)  # Temperatures between which the bisection searches.


def negative_entropy(logits: Tensor) -> Tensor:
    """Confidence score [N] of logits [N, C]."""
    log_probabilities = torch.log_softmax(logits, 1)
    return (log_probabilities.exp() * log_probabilities).sum(1)


def atc_accuracy(source: Tensor, source_labels: Tensor, target: Tensor) -> float:
    """ATC estimate of the accuracy on ``target`` from logits [N, C] on a labelled source and on the
    target.
    """
    right = (source.argmax(1) == source_labels).double().mean()
    threshold = torch.quantile(negative_entropy(source), 1 - right)
    return (negative_entropy(target) > threshold).double().mean().item()


def prediction_perplexity(logits: Tensor) -> float:
    """How many classes the decisions on logits [N, C] are spread over: the exponential of their entropy,
    1..C.
    """
    shares = torch.bincount(logits.argmax(1), minlength=logits.shape[1]).double() / len(logits)
    return torch.special.entr(shares).sum().exp().item()


def estimated_accuracy(source: Tensor, source_labels: Tensor, target: Tensor) -> float:
    """The ATC estimate, times the target predictions' perplexity over the validation predictions', at
    most 1.
    """
    return atc_accuracy(source, source_labels, target) * min(
        1.0, prediction_perplexity(target) / prediction_perplexity(source)
    )


def in_domain(estimated: list[float], validated: list[float]) -> bool:
    """Whether every arm keeps ``IN_DOMAIN_SHARE`` of its validation accuracy on the target, by estimate."""
    return all(now >= IN_DOMAIN_SHARE * before for now, before in zip(estimated, validated, strict=True))


def matched_temperature(logits: Tensor, accuracy: float) -> float:
    """The temperature at which the mean confidence of ``logits`` [N, C] is ``accuracy``; near its limits when
    none is.
    """
    low, high = (torch.tensor(limit, dtype=torch.float64).log() for limit in LIMITS)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        confidence = torch.softmax(logits / middle.exp(), 1).amax(1).mean()
        low, high = (middle, high) if confidence > accuracy else (low, middle)
    return middle.exp().item()


def robust_fusion(logits: list[Tensor], accuracies: list[float], present: Tensor) -> Tensor:
    """Probabilities [N, C] from the arms' logits [N, C]; ``present`` bool [N, arms] says which arm saw which
    clip.
    """
    evidence = torch.zeros_like(logits[0], dtype=torch.float64)
    for values, accuracy, seen in zip(logits, accuracies, present.T, strict=True):
        if seen.any():
            temperature = matched_temperature(values[seen].double(), accuracy)
            evidence += torch.log_softmax(values.double() / temperature, 1) * seen[:, None]
    return torch.softmax(evidence, 1)
