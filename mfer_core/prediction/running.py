"""An arm over a recording of any length: the GRU's state is carried from piece to piece, and the statistics
of its states are accumulated.
"""

import numpy as np
import torch
from torch import Tensor

from mfer_core.models.arm import Arm, pool_steps

STEPS = 10_000  # Steps of embeddings at a time, about three minutes of sound.


def encode_running(arm: Arm, values: np.ndarray, steps: int = STEPS) -> Tensor:
    """``Arm.encode`` of one recording [T, D] that may lie on disk: the state [1, H], equal but for
    rounding.
    """
    pool, hidden, count = arm.config.pool, None, 0
    total = square = torch.zeros(1, dtype=torch.float64)
    peak, output = torch.tensor(-torch.inf), torch.zeros(1, 1, arm.config.hidden_size)
    for start in range(0, len(values), steps // pool * pool):
        piece = torch.from_numpy(np.array(values[start : start + steps // pool * pool], np.float32))[None]
        pooled, _ = pool_steps(arm.standardised(piece), torch.tensor([piece.shape[1]]), pool)
        output, hidden = arm.gru(pooled, hidden)  # [1, T, H], [layers, 1, H]
        count += output.shape[1]
        total = total + output.double().sum(1)
        square = square + output.double().square().sum(1)
        peak = torch.maximum(peak, output.amax(1))
    if arm.config.readout == "last" or not count:
        return output[:, -1] if count else torch.zeros(1, arm.config.state_size)
    mean = total / count
    if arm.config.readout == "mean":
        return mean.float()
    deviation = ((square / count - mean.square()).clamp(min=0) + 1e-6).sqrt()
    return torch.cat([mean.float(), deviation.float(), peak], 1)
