"""An arm over a recording of any length: the GRU's state is carried from piece to piece, and the statistics
of its states are accumulated.
"""

import numpy as np
import torch
from torch import Tensor

from mfer_core.models.arm import Arm, part_weights, pool_steps

STEPS = 10_000  # Steps of embeddings at a time, about three minutes of sound.


def read_running(
    arm: Arm, values: np.ndarray, keep_output: bool = False, steps: int = STEPS
) -> tuple[Tensor, Tensor, Tensor]:
    """``Arm.read`` of one recording [T, D] that may lie on disk, equal but for rounding. The GRU's output is
    [1, T', H] where a head needs it (``keep_output``), else its last step alone.
    """
    pool, hidden = arm.config.pool, None
    states, embeddings = Moments(arm.config.hidden_size), Moments(arm.config.step_size)
    outputs: list[Tensor] = []
    means, length = torch.zeros((), dtype=torch.float64), torch.tensor([len(values)])
    for start in range(0, len(values), steps // pool * pool):
        piece = torch.from_numpy(np.array(values[start : start + steps // pool * pool], np.float32))[None]
        piece = arm.standardised(piece)
        embeddings.add(piece)
        weights = part_weights(torch.arange(start, start + piece.shape[1]), length, arm.config.pyramid)
        means = means + weights.transpose(1, 2) @ piece.double()  # [1, P, D]
        pooled, _ = pool_steps(piece, torch.tensor([piece.shape[1]]), pool)
        output, hidden = arm.gru(pooled, hidden)  # [1, T, H], [layers, 1, H]
        states.add(output)
        outputs = [*outputs, output] if keep_output else [output[:, -1:]]
    count = torch.tensor([states.count])
    if not states.count:
        return torch.zeros(1, arm.config.state_size), torch.zeros(1, 1, arm.config.hidden_size), count
    state, output = _read_out(arm, states), torch.cat(outputs, 1)
    if arm.config.probe:
        statistics = arm.clip_statistics(means.float(), embeddings.variance.float())
        state = torch.cat([state, statistics], 1)
    return state, output, count


class Moments:
    """Mean, variance, maximum and last of the steps [1, T, H] that were added, [1, H] each."""

    def __init__(self, size: int):
        self.count = 0
        self._total = self._square = torch.zeros(1, size, dtype=torch.float64)
        self.peak, self.last = torch.full((1, size), -torch.inf), torch.zeros(1, size)

    def add(self, steps: Tensor) -> None:
        self.count += steps.shape[1]
        self._total = self._total + steps.double().sum(1)
        self._square = self._square + steps.double().square().sum(1)
        self.peak, self.last = torch.maximum(self.peak, steps.amax(1)), steps[:, -1]

    @property
    def mean(self) -> Tensor:
        return self._total / self.count

    @property
    def variance(self) -> Tensor:
        return (self._square / self.count - self.mean.square()).clamp(min=0)


def _read_out(arm: Arm, states: Moments) -> Tensor:
    """The part of the state that comes from the GRU's states."""
    if arm.config.readout == "last":
        return states.last
    if arm.config.readout == "mean":
        return states.mean.float()
    return torch.cat([states.mean.float(), (states.variance + 1e-6).sqrt().float(), states.peak], 1)
