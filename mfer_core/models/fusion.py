"""Two arms into one decision. Reference method, "fusion": concat(visual, audio) -> linear; the other kinds
keep each arm's own decision and say how much it counts.

A head reads rows [B, T, W] per arm (``Fused.rows``), of which a clip without the modality has none. Where
nothing of the arms learns these are computed once per clip (``fit.head_inputs``).
"""

import torch
from torch import Tensor, nn

from mfer_core.base.errors import MferError
from mfer_core.models.arm import Arm

WIDTH, ATTENTION_HEADS = 64, 4  # of cross-attention


class LinearHead(nn.Module):
    """The linear layer over both arms' hidden states; a state of zeros stands for an absent modality."""

    def __init__(self, visual: Arm, audio: Arm, dropout: float):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        sizes = visual.config.state_size + audio.config.state_size
        self.classifier = nn.Linear(sizes, len(visual.config.classes))
        with torch.no_grad():
            weights = [visual.classifier.weight, audio.classifier.weight]
            self.classifier.weight.copy_(torch.cat(weights, 1))
            self.classifier.bias.copy_((visual.classifier.bias + audio.classifier.bias) / 2)

    @staticmethod
    def row_size(arm: Arm) -> int:
        return arm.config.state_size

    @staticmethod
    def rows(arm: Arm, state: Tensor, output: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """One row per clip: the arm's state."""
        return state[:, None], (steps > 0).long()

    def forward(self, visual: Tensor, visual_lengths: Tensor, audio: Tensor, audio_lengths: Tensor) -> Tensor:
        """Logits [B, C] of rows [B, 1, S] per arm; lengths [B] are 1, or 0 where the modality is absent."""
        parts = [
            hidden[:, 0] * (lengths > 0).to(hidden.dtype)[:, None]
            for hidden, lengths in ((visual, visual_lengths), (audio, audio_lengths))
        ]
        return self.classifier(self.dropout(torch.cat(parts, 1)))  # [B, Sv + Sa] -> [B, C]


class ProductHead(nn.Module):
    """The product of both arms' probabilities, each to the power of its share (late fusion): a sum of logits.
    An absent modality has no say, so that the other arm decides as it does alone.
    """

    shares: Tensor  # [2], visual and audio

    def __init__(self, visual: Arm, audio: Arm, dropout: float):
        super().__init__()
        self.classes = len(visual.config.classes)
        self.register_buffer("shares", torch.ones(2))

    @staticmethod
    def row_size(arm: Arm) -> int:
        return len(arm.config.classes)

    @staticmethod
    def rows(arm: Arm, state: Tensor, output: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """One row per clip: the arm's logits."""
        return arm.classifier(state)[:, None], (steps > 0).long()

    def evidence(
        self, visual: Tensor, visual_lengths: Tensor, audio: Tensor, audio_lengths: Tensor
    ) -> Tensor:
        """Each arm's logits times its share [B, 2, C]; zeros where it is absent."""
        logits = torch.stack([visual[:, 0, : self.classes], audio[:, 0, : self.classes]], 1)
        return logits * _both(visual_lengths, audio_lengths)[..., None] * self.shares[:, None]

    def forward(self, visual: Tensor, visual_lengths: Tensor, audio: Tensor, audio_lengths: Tensor) -> Tensor:
        """Logits [B, C] of rows per arm, with their numbers [B]."""
        return self.evidence(visual, visual_lengths, audio, audio_lengths).sum(1)


class GatedHead(ProductHead):
    """The product with a gate per clip and arm, from 0 to 2, that both arms' states set (a gated multimodal
    unit, Arevalo et al. 2017, on the arms' logits). It begins at 1, and is 1 where a modality is absent.
    """

    def __init__(self, visual: Arm, audio: Arm, dropout: float):
        super().__init__(visual, audio, dropout)
        self.dropout = nn.Dropout(dropout)
        self.gate = nn.Linear(visual.config.state_size + audio.config.state_size, 2)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    @staticmethod
    def row_size(arm: Arm) -> int:
        return len(arm.config.classes) + arm.config.state_size

    @staticmethod
    def rows(arm: Arm, state: Tensor, output: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """One row per clip: the arm's logits, then its state."""
        return torch.cat([arm.classifier(state), state], 1)[:, None], (steps > 0).long()

    def forward(self, visual: Tensor, visual_lengths: Tensor, audio: Tensor, audio_lengths: Tensor) -> Tensor:
        evidence = self.evidence(visual, visual_lengths, audio, audio_lengths)
        states = torch.cat([visual[:, 0, self.classes :], audio[:, 0, self.classes :]], 1)
        gates = 2 * torch.sigmoid(self.gate(self.dropout(states)))  # [B, 2]
        both = _both(visual_lengths, audio_lengths).all(1, keepdim=True)
        return (evidence * torch.where(both, gates, 1.0)[..., None]).sum(1)


class Attention(nn.Module):
    """Multi-head attention of one modality's steps to the other's. torch's own module does not become an
    ONNX graph for recordings of any length.
    """

    def __init__(self) -> None:
        super().__init__()
        self.query, self.keys_values = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, steps: Tensor, others: Tensor, valid: Tensor) -> Tensor:
        """What each of ``steps`` [B, T, W] sees of ``others`` [B, U, W] that are ``valid`` [B, U]."""
        parts = self.query(steps), *self.keys_values(others).chunk(2, 2)
        query, key, value = (part.unflatten(2, (ATTENTION_HEADS, -1)).transpose(1, 2) for part in parts)
        seen = nn.functional.scaled_dot_product_attention(query, key, value, valid[:, None, None])
        return self.out(seen.transpose(1, 2).flatten(2))


class CrossAttentionHead(ProductHead):
    """The product with a correction from both arms' steps, each step of one modality attending to those of
    the other (crossmodal attention, Tsai et al. 2019, one layer). The correction begins at 0, and is 0 where
    a modality is absent.
    """

    def __init__(self, visual: Arm, audio: Arm, dropout: float):
        super().__init__(visual, audio, dropout)
        sizes = (visual.config.hidden_size, audio.config.hidden_size)
        self.read = nn.ModuleList(
            [nn.Sequential(nn.Linear(size, WIDTH), nn.LayerNorm(WIDTH)) for size in sizes]
        )
        self.attend = nn.ModuleList(Attention() for _ in sizes)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(2 * WIDTH, self.classes)
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    @staticmethod
    def row_size(arm: Arm) -> int:
        return len(arm.config.classes) + arm.config.hidden_size

    @staticmethod
    def rows(arm: Arm, state: Tensor, output: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """A row per step of the GRU: the arm's logits on the whole clip, then the GRU's output there."""
        logits = arm.classifier(state)[:, None].expand(-1, output.shape[1], -1)
        return torch.cat([logits, output], 2), steps

    def forward(self, visual: Tensor, visual_lengths: Tensor, audio: Tensor, audio_lengths: Tensor) -> Tensor:
        evidence = self.evidence(visual, visual_lengths, audio, audio_lengths)
        sides = [
            read(rows[..., self.classes :]) for read, rows in zip(self.read, (visual, audio), strict=True)
        ]
        lengths, both = (visual_lengths, audio_lengths), _both(visual_lengths, audio_lengths).all(1)
        means = []
        for side, attend in enumerate(self.attend):
            other = 1 - side
            # A clip without a step would leave attention nothing to look at; what it sees is not used.
            there = _valid(sides[other], lengths[other].clamp(min=1))
            seen = attend(sides[side], sides[other], there)
            valid = _valid(sides[side], lengths[side])[..., None]
            total = ((sides[side] + seen) * valid).sum(1)  # [B, WIDTH]
            means.append(total / lengths[side].clamp(min=1)[:, None])
        return evidence.sum(1) + self.classifier(self.dropout(torch.cat(means, 1))) * both[:, None]


def _both(visual_lengths: Tensor, audio_lengths: Tensor) -> Tensor:
    """Which modality each clip has, bool [B, 2]."""
    return torch.stack([visual_lengths > 0, audio_lengths > 0], 1)


def _valid(rows: Tensor, lengths: Tensor) -> Tensor:
    """Which rows of [B, T, W] are a clip's own, bool [B, T]."""
    return torch.arange(rows.shape[1], device=rows.device) < lengths[:, None]


HEADS: dict[str, type[LinearHead] | type[ProductHead]] = {
    "linear": LinearHead,
    "product": ProductHead,
    "gated": GatedHead,
    "cross_attention": CrossAttentionHead,
}


class Fused(nn.Module):
    """Both arms and the head. Clips that lack a modality are trained on and predicted by the same model."""

    def __init__(self, visual: Arm, audio: Arm, fusion: str = "linear"):
        """Start from two trained arms; what a head begins with beside them is drawn (torch's generator).
        Raises MferError when the arms' classes differ.
        """
        super().__init__()
        if visual.config.classes != audio.config.classes:
            raise MferError(
                f"the arms' classes differ: visual {visual.config.classes}, audio {audio.config.classes}"
            )
        self.visual, self.audio, self.fusion = visual, audio, fusion
        self.head = HEADS[fusion](visual, audio, max(visual.config.dropout, audio.config.dropout))

    @property
    def classes(self) -> tuple[str, ...]:
        return self.visual.config.classes

    def rows(self, arm: Arm, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """What the head reads of right-padded embeddings [B, T, D] of ``arm``'s modality: rows [B, R, W] and
        how many of them are each clip's own [B].
        """
        return self.head.rows(arm, *arm.read(values, lengths))

    def forward(self, visual: Tensor, visual_lengths: Tensor, audio: Tensor, audio_lengths: Tensor) -> Tensor:
        """Logits [B, C] of right-padded embeddings [B, T, D] per arm; a length of 0 says that the modality is
        absent.
        """
        seen = self.rows(self.visual, visual, visual_lengths)
        return self.head(*seen, *self.rows(self.audio, audio, audio_lengths))
