"""What the families of speech encoders of transformers take, and where their frames lie.

Each class here turns clips into one batch of model input such that no clip's frames depend on the others; a
clip alone gives what the published feature extractor gives.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from mfer_core.base.errors import MferError
from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.encoders.windows import Grid

# Of these the published forward zeroes padded steps before its one positional convolution and masks
# attention, so that padding is exact where the front end normalises each step by itself. (The positional
# convolutions of Data2Vec are five in a row, as emotion2vec's, and padding leaks through them.)
PADDING_IS_EXACT = ("wav2vec2", "hubert", "wavlm")


class SpeechInput(ABC):
    """One family's way from samples to model input. ``extractor`` is the checkpoint's own."""

    grid: Grid

    def __init__(self, config: Any, extractor: Any):
        self.config, self.extractor = config, extractor

    @abstractmethod
    def of_clip(self, samples: np.ndarray) -> torch.Tensor:
        """[N] samples or [N, F] spectra of a whole clip, as long as one frame needs at least."""

    @abstractmethod
    def of_batch(self, pieces: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        """The model's arguments for pieces of what ``of_clip`` returns."""

    def together(self, lengths: list[int]) -> bool:
        """Whether clips of these lengths may share a batch."""
        return True

    def steps(self, items: int) -> int:
        """Time steps that the blocks see for a clip of ``items``."""
        return max(1, self.grid.count(items))


class Waveforms(SpeechInput):
    """wav2vec 2.0 and all that share its front end: samples in, normalised over the clip where the extractor
    says so.
    """

    def __init__(self, config: Any, extractor: Any):
        super().__init__(config, extractor)
        field = 1
        for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
            field = (field - 1) * stride + kernel
        self.grid = Grid(int(np.prod(config.conv_stride)), field, field / 2)
        self.pads = config.model_type in PADDING_IS_EXACT and config.feat_extract_norm == "layer"

    def of_clip(self, samples: np.ndarray) -> torch.Tensor:
        (values,) = self.extractor(samples, sampling_rate=SAMPLE_RATE)["input_values"]
        return torch.from_numpy(np.pad(values, (0, max(0, self.grid.field - len(values)))))

    def together(self, lengths: list[int]) -> bool:
        """Group normalisation of the front end averages over time and would see padding."""
        return self.pads or len(set(lengths)) == 1

    def of_batch(self, pieces: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        return _padded("input_values", pieces) if self.pads else {"input_values": torch.stack(pieces)}


class Spectra(SpeechInput):
    """w2v-BERT 2.0: pairs of log-mel spectra, each band normalised over the clip.

    Of an odd number of spectra the last is left out, as the published attention mask does.
    """

    HOP, FIELD = 160, 400  # samples from spectrum to spectrum, and of one spectrum; fixed in the extractor

    def __init__(self, config: Any, extractor: Any):
        super().__init__(config, extractor)
        pair = extractor.stride
        self.shortest = self.FIELD + (pair - 1) * self.HOP
        self.grid = Grid(1, 1, self.shortest / 2, spacing=pair * self.HOP)

    def of_clip(self, samples: np.ndarray) -> torch.Tensor:
        padded = np.pad(samples, (0, max(0, self.shortest - len(samples))))
        values = self.extractor(padded, sampling_rate=SAMPLE_RATE, return_tensors="np")
        return torch.from_numpy(values["input_features"][0][: int(values["attention_mask"][0].sum())])

    def of_batch(self, pieces: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        return _padded("input_features", pieces)


class WhisperWindows(SpeechInput):
    """Whisper's encoder: log-mel spectra of 30 s, a shorter clip followed by silence, as it was trained.

    Frame t is centred on sample 320 t; those beyond the clip's end are left out.
    """

    def __init__(self, config: Any, extractor: Any):
        super().__init__(config, extractor)
        if extractor.dither:
            raise MferError(
                "the feature extractor adds noise (dither): set it to 0 in preprocessor_config.json"
            )
        hop = 2 * extractor.hop_length  # The second convolution halves the spectra.
        self.grid = Grid(hop, 1, 0.0, longest_s=config.max_source_positions * hop / SAMPLE_RATE)

    def of_clip(self, samples: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(samples)

    def of_batch(self, pieces: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        longest = max(len(piece) for piece in pieces) / SAMPLE_RATE
        if longest > self.grid.longest_s:
            raise MferError(
                f"a clip of {longest:.1f} s: this encoder learns from {self.grid.longest_s:.0f} s at most: "
                "set finetune.crop_s to that"
            )
        clips = [piece.cpu().numpy() for piece in pieces]
        # Spectra are always exact, whatever the model's own precision.
        with torch.autocast("cpu", enabled=False):
            spectra = self.extractor(clips, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        return {"input_features": spectra["input_features"]}

    def steps(self, items: int) -> int:
        return self.config.max_source_positions


def _padded(name: str, pieces: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Right-padded input, with a mask where anything is padded."""
    lengths = torch.tensor([len(piece) for piece in pieces])
    values = {name: pad_sequence(pieces, batch_first=True)}
    if len(lengths.unique()) > 1:
        steps = torch.arange(int(lengths.max()))
        values["attention_mask"] = (steps[None] < lengths[:, None]).long().to(pieces[0].device)
    return values
