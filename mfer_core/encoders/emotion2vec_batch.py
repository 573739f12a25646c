"""Batches of clips of different lengths through Emotion2vec with the frames of each clip alone.

Given a padding mask, the published forward masks attention only. Its convolutional positional encoder runs
over the padded frames, which are not zero after the projection, and each of its five layers carries them
further into the valid frames (differences of 3 and more). A clip alone sees zeros beyond its end there, so
padded frames are set to zero before each of these convolutions. The front end needs nothing: a valid frame
never sees a padded sample.
"""

from typing import TYPE_CHECKING

import torch

from mfer_core.encoders.device import to_device
from mfer_core.encoders.emotion2vec_config import Layers, frame_count, receptive_field

if TYPE_CHECKING:
    from funasr.models.emotion2vec.model import Emotion2vec


class ExactBatches:
    """Runs a model over lists of waveforms ([N] samples each); returns the frames ([T, D]), on the model's
    device, of each.
    """

    def __init__(self, model: "Emotion2vec", layers: Layers):
        self.model = model
        self.layers = layers
        self._valid: torch.Tensor | None = None  # [B, T], set while a padded batch runs
        audio = model.modality_encoders["AUDIO"]
        for module in audio.relative_positional_encoder.modules():
            if isinstance(module, torch.nn.Conv1d):
                module.register_forward_pre_hook(self._zero_padding)
        # Group normalisation (extractor_mode "default") averages over time and would see the padding.
        self.padding_is_safe = audio.modality_cfg.extractor_mode == "layer_norm"

    def _zero_padding(
        self, module: torch.nn.Module, inputs: tuple[torch.Tensor]
    ) -> tuple[torch.Tensor] | None:
        if self._valid is None:
            return None
        return (inputs[0] * self._valid[:, None, :].to(inputs[0].dtype),)  # [B, D, T]

    def __call__(self, waveforms: list[torch.Tensor]) -> list[torch.Tensor]:
        """Frames per waveform; one shorter than the receptive field is filled up with zeros to one frame."""
        if len(waveforms) > 1 and not self.padding_is_safe:
            return [frames for waveform in waveforms for frames in self([waveform])]
        field = receptive_field(self.layers)
        lengths = [max(len(waveform), field) for waveform in waveforms]
        source = waveforms[0].new_zeros(len(waveforms), max(lengths))
        for row, waveform in zip(source, waveforms, strict=True):
            row[: len(waveform)] = waveform
        frames = self.forward(to_device(source, next(self.model.parameters()).device), lengths)
        return [
            values[: frame_count(length, self.layers)] for values, length in zip(frames, lengths, strict=True)
        ]

    def forward(self, source: torch.Tensor, lengths: list[int]) -> torch.Tensor:
        """[B, T, D] frames of [B, N] samples of which ``lengths`` count; frames beyond a clip's own are
        meaningless.
        """
        if min(lengths) == source.shape[1]:
            return self.model.extract_features(source, padding_mask=None)["x"]
        padding = (
            torch.arange(source.shape[1], device=source.device)[None]
            >= torch.tensor(lengths, device=source.device)[:, None]
        )
        frames = torch.tensor([frame_count(length, self.layers) for length in lengths], device=source.device)
        total = frame_count(source.shape[1], self.layers)
        self._valid = torch.arange(total, device=source.device)[None] < frames[:, None]
        try:
            return self.model.extract_features(source, padding_mask=padding)["x"]
        finally:
            self._valid = None
