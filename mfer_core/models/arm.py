"""One arm: embeddings of a clip -> GRU -> last valid hidden state -> linear (reference method, "Architecture")."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mfer_core.models.gru import run_gru


@dataclass(frozen=True, kw_only=True)
class ArmConfig:
    """Shape of an arm."""

    modality: str  # "visual" or "audio"
    input_dim: int  # D of the embeddings
    hidden_size: int  # H of the GRU
    layers: int
    dropout: float  # on the last hidden state, training only
    pool: int = 1  # consecutive steps averaged into one before the GRU; 1 keeps every step
    readout: str = "last"  # what of the GRU is classified: "last" valid state, or the "mean" of the valid states
    noise: float = 0.0  # standard deviation of what training adds to every standardised step
    jitter: float = 0.0  # of what training adds to all steps of a clip alike, as another person or microphone would
    classes: tuple[str, ...]  # label names in id order


def pool_steps(values: Tensor, lengths: Tensor, pool: int) -> tuple[Tensor, Tensor]:
    """Average every ``pool`` steps of right-padded [B, T, D]; a clip's own last, shorter group averages what it has."""
    if pool == 1:
        return values, lengths
    batch, steps, dim = values.shape
    groups = -(-steps // pool)
    valid = (torch.arange(groups * pool, device=values.device) < lengths[:, None]).to(values.dtype)  # [B, G*P]
    padded = nn.functional.pad(values, (0, 0, 0, groups * pool - steps)) * valid[..., None]  # [B, G*P, D]
    count = valid.view(batch, groups, pool).sum(2).clamp(min=1)  # [B, G]
    return padded.view(batch, groups, pool, dim).sum(2) / count[..., None], -(-lengths // pool)  # [B, G, D], [B]


class Arm(nn.Module):
    """GRU over one modality. The GRU runs forward only and padding is on the right, so reading its output at the
    last valid step equals running the packed sequence: what a clip is padded with cannot reach its prediction."""

    def __init__(self, config: ArmConfig):
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.input_dim))  # of the training clips' steps
        self.register_buffer("scale", torch.ones(config.input_dim))  # 1 / standard deviation
        self.gru = nn.GRU(config.input_dim, config.hidden_size, config.layers, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.hidden_size, len(config.classes))

    def standardise(self, mean: Tensor, std: Tensor) -> None:
        """Take over the mean and standard deviation ([D] each) of the training clips; constant features pass unscaled."""
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(std > 1e-6, 1 / std.clamp(min=1e-6), torch.ones_like(std)))

    def _disturb(self, values: Tensor) -> Tensor:
        """Augmentation of standardised embeddings [B, T, D], in training only."""
        if self.training and self.config.noise:
            values = values + self.config.noise * torch.randn_like(values)
        if self.training and self.config.jitter:
            values = values + self.config.jitter * torch.randn_like(values[:, :1])
        return values

    def encode(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Hidden state [B, H] of right-padded ``values`` [B, T, D] with ``lengths`` [B]; zeros where the length is 0."""
        values, lengths = pool_steps((values - self.mean) * self.scale, lengths, self.config.pool)
        values = self._disturb(values)
        output = run_gru(self.gru, values)  # [B, T, H]
        if self.config.readout == "mean":
            valid = torch.arange(output.shape[1], device=output.device) < lengths[:, None]  # [B, T]
            return (output * valid[..., None]).sum(1) / lengths.clamp(min=1)[:, None]
        last = output[torch.arange(len(output), device=output.device), (lengths - 1).clamp(min=0)]  # [B, H]
        return last * (lengths > 0).to(last.dtype)[:, None]

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits [B, C] of right-padded ``values`` [B, T, D] with ``lengths`` [B]."""
        return self.classifier(self.dropout(self.encode(values, lengths)))
