"""One arm: embeddings of a clip -> GRU -> last valid hidden state -> linear (reference method,
"Architecture"); beside the state, where the settings say so, statistics of the clip's embeddings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn

# A square root has no slope at 0, where the variance of a clip of one step is.
VARIANCE_FLOOR = 1e-12


@dataclass(frozen=True, kw_only=True)
class ArmConfig:
    """Shape of an arm."""

    modality: str  # "visual" or "audio"
    input_dim: int  # D of the embeddings
    # Layers of the encoder that a step of the embeddings holds one after the other; above 1 the arm learns
    # how much each counts.
    mixed_layers: int = 1
    hidden_size: int  # H of the GRU
    layers: int
    dropout: float  # Dropout of the classified state, in training only.
    standardise: bool = (
        True  # Whether the GRU sees steps standardised by the training clips, or as they come.
    )
    pool: int = 1  # consecutive steps averaged into one before the GRU; 1 keeps every step
    # What is classified: the "last" valid state, the "mean", or "statistics" (mean, deviation, maximum).
    readout: str = "last"
    noise: float = 0.0  # standard deviation of the noise that training adds to every standardised step
    jitter: float = 0.0  # the same, added to all steps of a clip alike, as another person or microphone would
    normalisation: str = "none"  # "speaker": the steps come standardised by each speaker's own moments
    # Whether statistics of the clip's steps are classified beside the GRU's state (see ``with_probe``).
    probe: bool = False
    # Of these statistics: numbers of equal parts into which a clip is cut for means, beside its deviation.
    pyramid: tuple[int, ...] = (1,)
    classes: tuple[str, ...]  # label names in id order

    @property
    def state_size(self) -> int:
        """H of the state that is classified."""
        return self.gru_state_size + (self.statistics_size if self.probe else 0)

    @property
    def gru_state_size(self) -> int:
        """The part of the state that comes from the GRU."""
        return self.hidden_size * (3 if self.readout == "statistics" else 1)

    @property
    def step_size(self) -> int:
        """D of a step as the GRU sees it."""
        return self.input_dim // self.mixed_layers

    @property
    def statistics_size(self) -> int:
        """S of a clip's statistics: a mean per part, and the deviation."""
        return self.step_size * (sum(self.pyramid) + 1)


def pool_steps(values: Tensor, lengths: Tensor, pool: int) -> tuple[Tensor, Tensor]:
    """Average every ``pool`` steps of right-padded [B, T, D]; a clip's own last, shorter group averages what
    it has.
    """
    if pool == 1:
        return values, lengths
    batch, steps, dim = values.shape
    groups = (steps + pool - 1) // pool
    valid = (torch.arange(groups * pool, device=values.device) < lengths[:, None]).to(
        values.dtype
    )  # [B, G*P]
    padded = nn.functional.pad(values, (0, 0, 0, groups * pool - steps)) * valid[..., None]  # [B, G*P, D]
    count = valid.view(batch, groups, pool).sum(2).clamp(min=1)  # [B, G]
    means = padded.view(batch, groups, pool, dim).sum(2) / count[..., None]  # [B, G, D]
    return means, (lengths + pool - 1) // pool


def step_moments(values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance [B, H] of the valid steps of [B, T, H]; zeros where there are none."""
    valid = (torch.arange(values.shape[1], device=values.device) < lengths[:, None])[..., None]  # [B, T, 1]
    count = lengths.clamp(min=1)[:, None]
    mean = (values * valid).sum(1) / count
    return mean, ((values - mean[:, None]).square() * valid).sum(1) / count


def part_weights(steps: Tensor, lengths: Tensor, pyramid: Sequence[int]) -> Tensor:
    """How much each of ``steps`` [T] (numbers of steps) counts in the mean of each part of clips of
    ``lengths`` [B]: float64 [B, T, P], for every number in ``pyramid`` its parts in their order.

    A step on the border of two parts counts in both by what lies there, so that a clip may have fewer steps
    than parts (a temporal pyramid, Laptev et al. 2008).
    """
    length = lengths.clamp(min=1).double()[:, None, None]  # [B, 1, 1]
    start = steps.double()[None, :, None]  # [1, T, 1]
    levels = []
    for number in pyramid:
        edges = torch.arange(number + 1, device=lengths.device).double() * length / number  # [B, 1, N + 1]
        inside = torch.minimum(start + 1, edges[..., 1:]) - torch.maximum(start, edges[..., :-1])
        levels.append(inside.clamp(min=0) * number / length)
    return torch.cat(levels, 2)


def _statistics(output: Tensor, lengths: Tensor, only_mean: bool) -> Tensor:
    """Mean [B, H], and beside it standard deviation and maximum [B, 3 * H], of the valid steps of [B, T, H];
    zeros where there are none.

    Statistics pooling as in speaker recognition (Snyder et al. 2018, x-vectors).
    """
    mean, variance = step_moments(output, lengths)
    if only_mean:
        return mean
    valid = (torch.arange(output.shape[1], device=output.device) < lengths[:, None])[..., None]  # [B, T, 1]
    peak = output.masked_fill(~valid, -torch.inf).amax(1)
    some = (lengths > 0)[:, None]
    # A square root has no slope at 0, where clips of one step are.
    return torch.cat([mean, (variance + 1e-6).sqrt() * some, torch.where(some, peak, 0.0)], 1)


class Arm(nn.Module):
    """GRU over one modality. The GRU runs forward only and padding is on the right, so reading its output at
    the last valid step equals running the packed sequence: what a clip is padded with cannot reach its
    prediction.
    """

    mean: Tensor  # [D], of the training clips' steps
    scale: Tensor  # [D], 1 / standard deviation
    statistics_mean: Tensor  # [S], of the training clips' statistics; of an arm with a probe
    statistics_scale: Tensor  # [S], 1 / standard deviation

    def __init__(self, config: ArmConfig):
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.input_dim))
        self.register_buffer("scale", torch.ones(config.input_dim))
        if config.probe:
            self.register_buffer("statistics_mean", torch.zeros(config.statistics_size))
            self.register_buffer("statistics_scale", torch.ones(config.statistics_size))
        if config.mixed_layers > 1:
            self.layer_weights = nn.Parameter(torch.zeros(config.mixed_layers))
        self.gru = nn.GRU(config.step_size, config.hidden_size, config.layers, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.state_size, len(config.classes))

    def standardise(self, mean: Tensor, std: Tensor) -> None:
        """Take over the mean and standard deviation ([D] each) of the training clips; constant features pass
        unscaled.
        """
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(std > 1e-6, 1 / std.clamp(min=1e-6), torch.ones_like(std)))

    def standardised(self, values: Tensor) -> Tensor:
        """Embeddings [..., D] as the GRU sees them: unchanged where the config does not standardise; of
        several layers the weighted sum [..., D / L], with weights above 0 that sum to 1 (SUPERB, Yang et al.
        2021).
        """
        values = (values - self.mean) * self.scale if self.config.standardise else values
        if self.config.mixed_layers == 1:
            return values
        weights, count = self.layer_weights.softmax(0), self.config.mixed_layers
        layers = values.chunk(count, -1)
        # One layer after the other: a further axis would not become an ONNX graph.
        return reduce(torch.add, (weights[number] * layers[number] for number in range(count)))

    def take_reader(self, other: "Arm") -> None:
        """Take over the GRU of another arm, and the weights of the encoder's layers before it."""
        self.gru.load_state_dict(other.gru.state_dict())
        if self.config.mixed_layers > 1:
            with torch.no_grad():
                self.layer_weights.copy_(other.layer_weights)

    def _disturb(self, values: Tensor) -> Tensor:
        """Augmentation of standardised embeddings [B, T, D], in training only."""
        if self.training and self.config.noise:
            values = values + self.config.noise * torch.randn_like(values)
        if self.training and self.config.jitter:
            values = values + self.config.jitter * torch.randn_like(values[:, :1])
        return values

    def encode(self, values: Tensor, lengths: Tensor) -> Tensor:
        """State [B, S] of right-padded ``values`` [B, T, D] with ``lengths`` [B]; zeros where the length is
        0.
        """
        return self.read(values, lengths)[0]

    def read(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The state of ``encode``, the GRU's output [B, T', H] and how many of its steps are valid [B]."""
        values = self.standardised(values)
        pooled, steps = pool_steps(values, lengths, self.config.pool)
        output, _ = self.gru(self._disturb(pooled))
        state = self._read_out(output, steps)
        if not self.config.probe:
            return state, output, steps
        _, variance = step_moments(values, lengths)
        numbers = torch.arange(values.shape[1], device=values.device)
        weights = part_weights(numbers, lengths, self.config.pyramid).to(values.dtype)
        statistics = self.clip_statistics(weights.transpose(1, 2) @ values, variance)
        return torch.cat([state, statistics * (lengths > 0)[:, None]], 1), output, steps

    def clip_statistics(self, means: Tensor, variance: Tensor) -> Tensor:
        """The statistics of clips [B, S], standardised, of the means [B, P, D] of their parts and the
        variance [B, D] of their standardised steps.
        """
        statistics = torch.cat([means.flatten(1), (variance + VARIANCE_FLOOR).sqrt()], 1)
        return (statistics - self.statistics_mean) * self.statistics_scale

    def _read_out(self, output: Tensor, lengths: Tensor) -> Tensor:
        """The part of the state that comes from the GRU, of its ``output`` [B, T, H]."""
        if self.config.readout != "last":
            return _statistics(output, lengths, self.config.readout == "mean")
        last = output[torch.arange(len(output), device=output.device), (lengths - 1).clamp(min=0)]  # [B, H]
        return last * (lengths > 0).to(last.dtype)[:, None]

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits [B, C] of right-padded ``values`` [B, T, D] with ``lengths`` [B]."""
        return self.classifier(self.dropout(self.encode(values, lengths)))
