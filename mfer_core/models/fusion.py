"""Two arms into one decision: concat(visual, audio) -> linear (reference method, "fusion")."""

import torch
from torch import Tensor, nn

from mfer_core.base.errors import MferError
from mfer_core.models.arm import Arm


class FusedHead(nn.Module):
    """The linear layer over both arms' hidden states; a state of zeros stands for an absent modality."""

    def __init__(self, visual_size: int, audio_size: int, classes: int, dropout: float):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(visual_size + audio_size, classes)

    def forward(self, visual: Tensor, visual_lengths: Tensor, audio: Tensor, audio_lengths: Tensor) -> Tensor:
        """Logits [B, C] of hidden states [B, 1, H] per arm; lengths [B] are 1, or 0 where the modality is
        absent.
        """
        parts = [
            hidden[:, 0] * (lengths > 0).to(hidden.dtype)[:, None]
            for hidden, lengths in ((visual, visual_lengths), (audio, audio_lengths))
        ]
        return self.classifier(self.dropout(torch.cat(parts, 1)))  # [B, Hv + Ha] -> [B, C]


class Fused(nn.Module):
    """Both arms and the head. Clips that lack a modality are trained on and predicted by the same model."""

    def __init__(self, visual: Arm, audio: Arm):
        """Start from two trained arms: weights side by side, the mean of the biases. Raises MferError when
        their classes differ.
        """
        super().__init__()
        if visual.config.classes != audio.config.classes:
            raise MferError(
                f"the arms' classes differ: visual {visual.config.classes}, audio {audio.config.classes}"
            )
        self.visual, self.audio = visual, audio
        sizes = (visual.config.state_size, audio.config.state_size)
        self.head = FusedHead(
            *sizes, len(visual.config.classes), max(visual.config.dropout, audio.config.dropout)
        )
        with torch.no_grad():
            self.head.classifier.weight.copy_(
                torch.cat([visual.classifier.weight, audio.classifier.weight], 1)
            )
            self.head.classifier.bias.copy_((visual.classifier.bias + audio.classifier.bias) / 2)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.visual.config.classes

    def forward(self, visual: Tensor, visual_lengths: Tensor, audio: Tensor, audio_lengths: Tensor) -> Tensor:
        """Logits [B, C] of right-padded embeddings [B, T, D] per arm; a length of 0 says that the modality is
        absent.
        """
        hidden = (
            self.visual.encode(visual, visual_lengths),
            self.audio.encode(audio, audio_lengths),
        )  # [B, Hv], [B, Ha]
        return self.head(hidden[0][:, None], visual_lengths, hidden[1][:, None], audio_lengths)
