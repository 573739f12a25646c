"""An encoder's own classifier, stored beside the embeddings: a zero-shot baseline without a second pass of
the encoder.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mfer_core.base.errors import MferError
from mfer_core.base.files import atomic_path

FILE = "head.safetensors"


@dataclass(frozen=True)
class Head:
    """A linear classifier of embeddings: logits are ``values @ weight.T + bias``."""

    weight: np.ndarray  # float32 [L, D]
    bias: np.ndarray  # float32 [L]
    labels: list[str]  # L names as the checkpoint spells them

    def probabilities(self, values: np.ndarray) -> np.ndarray:
        """float64 [N, L] of embeddings [N, D]."""
        logits = values.astype(np.float64) @ self.weight.T + self.bias
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
