"""Any published speech encoder of transformers' families: wav2vec 2.0, HuBERT, WavLM and their kin, w2v-BERT
2.0, and Whisper's encoder.

The family is read from the checkpoint's config.json. The model is transformers' own class and the clip's
input that of the checkpoint's own feature extractor; what is added here is that a clip's frames do not depend
on its batch mates (see speech_inputs.py), that every weight comes from the checkpoint (see pretrained.py),
and that only the blocks up to the one that is read are computed.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import MODEL_MAPPING, AutoFeatureExtractor, PreTrainedModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from mfer_core.base.errors import MferError, one_line
from mfer_core.base.files import digest
from mfer_core.cache.embeddings import MIXED_LAYERS
from mfer_core.cache.heads import Head
from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.encoders.checkpoint_pointer import ALL_LAYERS, Source
from mfer_core.encoders.checkpoints import find_checkpoint
from mfer_core.encoders.device import choose_device, placed
from mfer_core.encoders.pretrained import load_pretrained, read_config
from mfer_core.encoders.speech_heads import classifier_class, head_of
from mfer_core.encoders.speech_inputs import Spectra, SpeechInput, Waveforms, WhisperWindows
from mfer_core.encoders.windowed_speech import WindowedSpeech
from mfer_core.encoders.windows import Grid

SHAPING_FILES = ("config.json", "preprocessor_config.json")
# model_type of config.json -> how its input is made.
FAMILIES: dict[str, type[SpeechInput]] = {
    "wav2vec2": Waveforms,
    "hubert": Waveforms,
    "wavlm": Waveforms,
    "data2vec-audio": Waveforms,
    "unispeech": Waveforms,
    "unispeech-sat": Waveforms,
    "wav2vec2-conformer": Waveforms,
    "wav2vec2-bert": Spectra,
    "whisper": WhisperWindows,
}
# Whisper's encoder alone, from the layouts of the whole model and of the classifier.
WHISPER_NAMES = {r"^model\.encoder\.": "", r"^encoder\.": ""}


@dataclass
class TransformersSpeech(WindowedSpeech):
    """A speech encoder of transformers in evaluation mode, ready to embed waveforms."""

    model: PreTrainedModel
    inputs: SpeechInput
    # The block whose output is the frames, from 1; None: the model's last hidden state; ALL_LAYERS: the input
    # of the first block and the outputs of all, one after the other.
    layer: int | str | None
    published_head: Head | None
    metadata: dict  # name, revision, hash, family, layer, frames per second
    device: torch.device
    precision: str

    def __post_init__(self) -> None:
        self._block_output: Tensor | None = None
        blocks = self.stack()
        if isinstance(self.layer, int):
            blocks[self.layer - 1].register_forward_hook(self._keep)

    def _keep(self, block: nn.Module, inputs: Any, output: Any) -> None:
        self._block_output = output[0] if isinstance(output, tuple) else output

    @property
    def grid(self) -> Grid:
        """Where the frames lie on samples or spectra."""
        return self.inputs.grid

    @property
    def dim(self) -> int:
        """D of the frames."""
        return self.model.config.hidden_size * self.mixed_layers

    @property
    def mixed_layers(self) -> int:
        """How many layers a frame holds, one after the other."""
        return len(self.stack()) + 1 if self.layer == ALL_LAYERS else 1

    def head(self) -> Head | None:
        """The classifier that the checkpoint was published with, where it reads the frames that are read."""
        return self.published_head

    def as_input(self, samples: np.ndarray) -> Tensor:
        """What the checkpoint's feature extractor makes of the whole clip."""
        return self.inputs.of_clip(samples)

    def frames(self, prepared: list[Tensor]) -> list[Tensor]:
        """[T, D] per prepared clip; clips that may not share a batch go by groups of one length."""
        lengths = [len(items) for items in prepared]
        if self.inputs.together(lengths):
            return self._forward(prepared)
        by_length: dict[int, list[int]] = defaultdict(list)
        for index, length in enumerate(lengths):
            by_length[length].append(index)
        frames: dict[int, Tensor] = {}
        for indices in by_length.values():
            values = self._forward([prepared[index] for index in indices])
            frames |= dict(zip(indices, values, strict=True))
        return [frames[index] for index in range(len(prepared))]

    def _forward(self, pieces: list[Tensor]) -> list[Tensor]:
        inputs = {name: values.to(self.device) for name, values in self.inputs.of_batch(pieces).items()}
        if self.layer == ALL_LAYERS:
            values = torch.cat(self.model(**inputs, output_hidden_states=True).hidden_states, 2)
        else:
            values = self.model(**inputs).last_hidden_state
        if isinstance(self.layer, int):
            assert self._block_output is not None  # The forward pass went through the block.
            values, self._block_output = self._block_output, None
        return [row[: self.grid.count(len(piece))] for row, piece in zip(values, pieces, strict=True)]

    def stack(self) -> list[nn.Module]:
        """The transformer blocks up to the one that is read."""
        return list(_blocks(self.model))

    def rest(self) -> list[nn.Module | nn.Parameter]:
        """What stands between the convolutional front end and the blocks, and the norm behind them."""
        encoder = getattr(self.model, "encoder", self.model)
        names = ("feature_projection", "pos_conv_embed", "layer_norm")
        parts = [getattr(owner, name, None) for owner in (self.model, encoder) for name in names]
        return list(dict.fromkeys(part for part in parts if part is not None))

    def clip_bytes(self, items: int) -> float:
        """Working memory of a clip in a batch of clips of ``items``: of the first convolution, or of a block
        and its attention.
        """
        config, steps = self.model.config, self.inputs.steps(items)
        widest = getattr(config, "intermediate_size", None) or config.encoder_ffn_dim
        # Whisper's attention never holds its weights; the others may hold scores, bias and weights.
        held = 0 if config.model_type == "whisper" else 4
        size = config.hidden_size
        block = steps * (6 * size + 2 * widest + self.dim) + held * config.num_attention_heads * steps**2
        front = 0.0
        if isinstance(self.inputs, Waveforms):
            front = 3 * config.conv_dim[0] * items / config.conv_stride[0]
        return 4.0 * (max(front, block) + 3 * items)


def load_transformers_speech(source: Source, device: str, precision: str) -> TransformersSpeech:
    """Load a folder or hub id. Raises MferError when it is missing, incomplete, of no family above, made for
    another sample rate, or has no block of the number asked for.
    """
    located = find_checkpoint(source.checkpoint, source.revision, SHAPING_FILES, source.hash)
    folder = located.folder
    config, extractor = read_config(folder, "a speech encoder", FAMILIES), _read_extractor(folder)
    if getattr(config, "add_adapter", False):
        raise MferError(f"{folder} ends in an adapter that skips frames: take the checkpoint without one")
    inputs = FAMILIES[config.model_type](config, extractor)
    # transformers' types leave out that a configuration's class leads to its model's.
    model_class: type[PreTrainedModel] = MODEL_MAPPING[type(config)]  # type: ignore[assignment]
    whole = None
    if config.model_type == "whisper":
        model: PreTrainedModel = load_pretrained(WhisperEncoder, folder, config, key_mapping=WHISPER_NAMES)
    elif with_head := classifier_class(config):
        whole = load_pretrained(with_head, folder, config)
        model = getattr(whole, whole.base_model_prefix)
    else:
        model = load_pretrained(model_class, folder, config)
    layer = _layer_of(model, source, located.name)
    head = head_of(whole, config, layer) if whole is not None else None
    metadata = {**located.metadata, "family": config.model_type, "layer": layer}
    metadata["frames_per_s"] = SAMPLE_RATE / inputs.grid.frame_samples
    if layer is not None:
        metadata["name"] = f"{located.name}, {'all layers' if layer == ALL_LAYERS else f'layer {layer}'}"
        metadata["hash"] = digest(located.hash, layer)
    if layer == ALL_LAYERS:
        metadata[MIXED_LAYERS] = len(_blocks(model)) + 1
    torch_device = choose_device(device)
    model = placed(model, torch_device, precision)
    return TransformersSpeech(model, inputs, layer, head, metadata, torch_device, precision)


def _read_extractor(folder: Path) -> Any:
    try:
        extractor = AutoFeatureExtractor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise MferError(
            f"no feature extractor in {folder} ({one_line(error)}): put the checkpoint's "
            "preprocessor_config.json there"
        ) from error
    if extractor.sampling_rate != SAMPLE_RATE:
        raise MferError(
            f"the encoder in {folder} takes sound at {extractor.sampling_rate} Hz, and clips are kept at "
            f"{SAMPLE_RATE} Hz: take another encoder"
        )
    return extractor


def _blocks(model: nn.Module) -> nn.ModuleList:
    blocks = getattr(model, "encoder", model).layers
    assert isinstance(blocks, nn.ModuleList)  # All families have their blocks there.
    return blocks


def _layer_of(model: nn.Module, source: Source, name: str) -> int | str | None:
    """The number of the block that is read, None for the last one, or ALL_LAYERS; the blocks above it are
    taken away.
    """
    blocks, layer = _blocks(model), source.layer
    if layer is None or layer == len(blocks):
        return None
    if not isinstance(layer, int):
        return layer
    if not 1 <= layer <= len(blocks):
        raise MferError(
            f"{name} has no layer {layer}: choose 1 to {len(blocks)}, or leave it empty for the last"
        )
    del blocks[layer:]
    return layer
