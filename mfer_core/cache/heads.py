"""An encoder's own classifier, stored beside the embeddings: a zero-shot baseline without a second pass of
the encoder.

The image encoder scores every frame, and a clip is the mean of its frames' probabilities; the speech encoder
scores the mean frame of a clip, as the published implementations do. Labels are matched by name
(``labels.head_classes``).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mfer_core.base.errors import MferError
from mfer_core.base.files import atomic_path
from mfer_core.base.labels import head_classes

FILE = "head.safetensors"
STEPS = 10_000  # Steps of embeddings at a time: a long recording's lie on disk.


@dataclass(frozen=True)
class Head:
    """A linear classifier of embeddings: logits are ``values @ weight.T + bias``."""

    weight: np.ndarray  # float32 [L, D]
    bias: np.ndarray  # float32 [L]
    labels: list[str]  # L names as the checkpoint spells them

    def logits(self, values: np.ndarray) -> np.ndarray:
        """float64 [N, L] of embeddings [N, D]."""
        return values.astype(np.float64) @ self.weight.T + self.bias

    def probabilities(self, values: np.ndarray) -> np.ndarray:
        """float64 [N, L] of embeddings [N, D]."""
        return soften(self.logits(values))

    def clip_logits(self, modality: str, values: np.ndarray) -> np.ndarray:
        """float64 [T, L] of a clip's pictures [T, D], or [1, L] of its mean frame of sound [T, D]; T at
        least 1. The values may be mapped from a file.
        """
        pieces = [values[start : start + STEPS] for start in range(0, len(values), STEPS)]
        if modality == "visual":
            return np.concatenate([self.logits(piece) for piece in pieces])
        mean = np.sum([piece.sum(0, dtype=np.float64) for piece in pieces], axis=0) / len(values)
        return self.logits(mean[None])

    def of_clip(self, modality: str, values: np.ndarray) -> np.ndarray:
        """float64 [L] of one clip's embeddings [T, D], as ``clip_logits`` takes them."""
        return soften(self.clip_logits(modality, values)).mean(0)


def soften(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities [N, L] of ``logits``. A ``temperature`` above 1 makes them less sure (Guo et al. 2017,
    https://arxiv.org/abs/1706.04599).
    """
    logits = logits / temperature
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def write_head(folder: Path, head: Head | None) -> None:
    """Write ``head`` into a folder of embeddings; None (a checkpoint without a head) removes an earlier
    head.
    """
    if head is None:
        (Path(folder) / FILE).unlink(missing_ok=True)
        return
    with atomic_path(Path(folder) / FILE) as temporary:
        save_file(
            {"weight": head.weight, "bias": head.bias},
            temporary,
            {"labels": json.dumps(head.labels, ensure_ascii=False)},
        )


def read_head(folder: Path) -> Head | None:
    """The head of a folder of embeddings, None where their encoder has none. Raises MferError for a broken
    file.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, "np") as file:
            return Head(
                file.get_tensor("weight"), file.get_tensor("bias"), json.loads(file.metadata()["labels"])
            )
    except (SafetensorError, KeyError, ValueError) as error:
        raise MferError(f"cannot read {path}: {error}; run embed again") from error


def known_classes(labels: list[str], classes: tuple[str, ...]) -> list[str]:
    """What of ``classes`` a head with these labels knows."""
    names = head_classes(labels, classes)
    return [name for name in classes if name in names]


def by_class(names: Sequence[str | None], shares: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """float64 [N, C] of a head's probabilities [N, L], whose labels have the ``names`` that
    ``labels.head_classes`` gives: those of names that are in ``classes``, made to sum to 1; else NaN.
    """
    result = np.full((len(shares), len(classes)), np.nan)
    for column, name in enumerate(classes):
        columns = [number for number, label in enumerate(names) if label == name]
        if columns:
            result[:, column] = shares[:, columns].sum(1)
    return result / np.nansum(result, 1, keepdims=True)
