"""One arm: embeddings of a clip -> GRU -> last valid hidden state -> linear (reference method,
"Architecture"); beside the state, where the settings say so, mean and deviation of the clip's embeddings.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

# A square root has no slope at 0, where the variance of a clip of one step is.
VARIANCE_FLOOR = 1e-12


@dataclass(frozen=True, kw_only=True)
class ArmConfig:
    """Shape of an arm."""

    modality: str  # "visual" or "audio"
    input_dim: int  # D of the embeddings
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
    # Whether mean and deviation of the clip's steps are classified beside the GRU's state (see
    # ``with_probe``).
    probe: bool = False
    classes: tuple[str, ...]  # label names in id order

    @property
    def state_size(self) -> int:
        """H of the state that is classified."""
        return self.gru_state_size + (2 * self.input_dim if self.probe else 0)

    @property
    def gru_state_size(self) -> int:
        """The part of the state that comes from the GRU."""
        return self.hidden_size * (3 if self.readout == "statistics" else 1)


def pool_steps(values: Tensor, lengths: Tensor, pool: int) -> tuple[Tensor, Tensor]:
    """Average every ``pool`` steps of right-padded [B, T, D]; a clip's own last, shorter group averages what
    it has.
    """
    if pool == 1:
        return values, lengths
    batch, steps, dim = values.shape
    groups = -(-steps // pool)
    valid = (torch.arange(groups * pool, device=values.device) < lengths[:, None]).to(
        values.dtype
    )  # [B, G*P]
    padded = nn.functional.pad(values, (0, 0, 0, groups * pool - steps)) * valid[..., None]  # [B, G*P, D]
    count = valid.view(batch, groups, pool).sum(2).clamp(min=1)  # [B, G]
    return padded.view(batch, groups, pool, dim).sum(2) / count[..., None], -(
        -lengths // pool
    )  # [B, G, D], [B]


def step_moments(values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance [B, H] of the valid steps of [B, T, H]; zeros where there are none."""
    valid = (torch.arange(values.shape[1], device=values.device) < lengths[:, None])[..., None]  # [B, T, 1]
    count = lengths.clamp(min=1)[:, None]
    mean = (values * valid).sum(1) / count
    return mean, ((values - mean[:, None]).square() * valid).sum(1) / count


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
    statistics_mean: Tensor  # [2 D], of the training clips' means and deviations; of an arm with a probe
    statistics_scale: Tensor  # [2 D], 1 / standard deviation

    def __init__(self, config: ArmConfig):
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.input_dim))
        self.register_buffer("scale", torch.ones(config.input_dim))
        if config.probe:
            self.register_buffer("statistics_mean", torch.zeros(2 * config.input_dim))
            self.register_buffer("statistics_scale", torch.ones(2 * config.input_dim))
        self.gru = nn.GRU(config.input_dim, config.hidden_size, config.layers, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.state_size, len(config.classes))

    def standardise(self, mean: Tensor, std: Tensor) -> None:
        """Take over the mean and standard deviation ([D] each) of the training clips; constant features pass
        unscaled.
        """
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(std > 1e-6, 1 / std.clamp(min=1e-6), torch.ones_like(std)))

    def standardised(self, values: Tensor) -> Tensor:
        """Embeddings [..., D] as the GRU sees them: unchanged where the config does not standardise."""
        return (values - self.mean) * self.scale if self.config.standardise else values

    def _disturb(self, values: Tensor) -> Tensor:
        """Augmentation of standardised embeddings [B, T, D], in training only."""
        if self.training and self.config.noise:
            values = values + self.config.noise * torch.randn_like(values)
        if self.training and self.config.jitter:
            values = values + self.config.jitter * torch.randn_like(values[:, :1])
        return values

    def encode(self, values: Tensor, lengths: Tensor) -> Tensor:
        """State [B, H] of right-padded ``values`` [B, T, D] with ``lengths`` [B]; zeros where the length is
        0.
        """
        values = self.standardised(values)
        state = self._gru_state(values, lengths)
        if not self.config.probe:
            return state
        mean, variance = step_moments(values, lengths)
        return torch.cat([state, self.clip_statistics(mean, variance) * (lengths > 0)[:, None]], 1)

    def clip_statistics(self, mean: Tensor, variance: Tensor) -> Tensor:
        """Mean and deviation of clips [B, 2 D], standardised, of the moments [B, D] of their standardised
        steps.
        """
        statistics = torch.cat([mean, (variance + VARIANCE_FLOOR).sqrt()], 1)
        return (statistics - self.statistics_mean) * self.statistics_scale

    def _gru_state(self, values: Tensor, lengths: Tensor) -> Tensor:
        """The part of the state that comes from the GRU, of standardised ``values``."""
        values, lengths = pool_steps(values, lengths, self.config.pool)
        values = self._disturb(values)
        output, _ = self.gru(values)  # [B, T, H]
        if self.config.readout != "last":
            return _statistics(output, lengths, self.config.readout == "mean")
        last = output[torch.arange(len(output), device=output.device), (lengths - 1).clamp(min=0)]  # [B, H]
        return last * (lengths > 0).to(last.dtype)[:, None]

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits [B, C] of right-padded ``values`` [B, T, D] with ``lengths`` [B]."""
        return self.classifier(self.dropout(self.encode(values, lengths)))
