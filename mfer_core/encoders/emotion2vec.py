"""emotion2vec: frame-level speech features, 50 per second, from any FunASR checkpoint folder or id.

Method: Ma et al. 2023, https://arxiv.org/abs/2312.15185. The model is FunASR's own class; what is added here
is that a clip's frames do not depend on its batch mates (see ``emotion2vec_batch.py``), that a checkpoint
folder cannot run code, and that the same arithmetic takes less time (see ``emotion2vec_fast.py``).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from mfer_core.base.errors import MferError, typed_line
from mfer_core.cache.heads import Head
from mfer_core.encoders.checkpoints import find_checkpoint
from mfer_core.encoders.device import choose_device, placed
from mfer_core.encoders.emotion2vec_batch import ExactBatches
from mfer_core.encoders.emotion2vec_config import (
    Layers,
    frame_count,
    hop,
    layers_of,
    read_config,
    read_tokens,
    receptive_field,
)
from mfer_core.encoders.emotion2vec_fast import speed_up
from mfer_core.encoders.emotion2vec_model import load_model
from mfer_core.encoders.windowed_speech import WindowedSpeech
from mfer_core.encoders.windows import Grid

if TYPE_CHECKING:
    from funasr.models.emotion2vec.model import Emotion2vec

SHAPING_FILES = ("config.yaml", "tokens.txt")


@dataclass
class Emotion2vecEncoder(WindowedSpeech):
    """An emotion2vec in evaluation mode, ready to embed waveforms; T = floor((N - 400) / 320) + 1."""

    model: "Emotion2vec"
    layers: Layers
    normalize: bool  # zero mean, unit variance over each whole clip
    labels: list[str]  # The labels of the checkpoint's own head as it spells them; [] without a head.
    metadata: dict  # name, revision, hash
    device: torch.device
    precision: str

    def __post_init__(self) -> None:
        self.batches = ExactBatches(self.model, self.layers)

    @property
    def grid(self) -> Grid:
        """The input items are samples."""
        field = receptive_field(self.layers)
        return Grid(hop(self.layers), field, field / 2)

    @property
    def dim(self) -> int:
        """D of the frames."""
        return self.model.cfg.embed_dim

    def head(self) -> Head | None:
        """The checkpoint's own classifier of the mean frame, None where it has none."""
        if self.model.proj is None:
            return None
        weight, bias = (
            value.detach().float().cpu().numpy() for value in (self.model.proj.weight, self.model.proj.bias)
        )
        return Head(weight, bias, self.labels)

    def as_input(self, samples: np.ndarray) -> torch.Tensor:
        """float32 [N], normalised where the checkpoint asks for it."""
        values = torch.from_numpy(samples)
        return torch.nn.functional.layer_norm(values, values.shape) if self.normalize else values

    def clip_bytes(self, items: int) -> float:
        """Working memory of a clip in a batch of clips of ``items`` samples: of the first convolution, or of
        a block and its attention.
        """
        audio, field = self.model.modality_encoders["AUDIO"], receptive_field(self.layers)
        channels, _, stride = self.layers[0]
        steps = frame_count(max(items, field), self.layers) + audio.modality_cfg.num_extra_tokens
        front = 3 * channels * items / stride
        block = (
            steps * (4 + 2 * self.model.cfg.mlp_ratio) * self.dim + 2 * self.model.cfg.num_heads * steps**2
        )
        return 4.0 * (max(front, block) + 3 * max(items, field))

    def frames(self, prepared: list[torch.Tensor]) -> list[torch.Tensor]:
        """[T, D] per prepared waveform, exact in any batch (see emotion2vec_batch.py)."""
        if torch.is_grad_enabled():
            # The model keeps these from call to call; those made in inference mode could take no gradient.
            kept = self.model.alibi_biases
            for name in [name for name, bias in kept.items() if bias.is_inference()]:
                del kept[name]
        return self.batches(prepared)

    def stack(self) -> list[torch.nn.Module]:
        """The blocks of the audio encoder, then the shared ones."""
        return [*self.model.modality_encoders["AUDIO"].context_encoder.blocks, *self.model.blocks]

    def rest(self) -> list[torch.nn.Module | torch.nn.Parameter]:
        """Projection, positions, extra tokens and norms."""
        audio, last = self.model.modality_encoders["AUDIO"], self.model.norm
        first = [
            audio.project_features,
            audio.relative_positional_encoder,
            audio.extra_tokens,
            audio.alibi_scale,
            audio.context_encoder,
        ]
        return [part for part in (*first, last) if part is not None]


def load_emotion2vec(
    checkpoint: str, revision: str | None, device: str, precision: str, locked: str | None = None
) -> Emotion2vecEncoder:
    """Load a FunASR folder or id. Raises MferError when it is missing, unsafe, not an Emotion2vec or not of
    the hash that is ``locked``.
    """
    located = find_checkpoint(checkpoint, revision, SHAPING_FILES, locked)
    config, labels = read_config(located.folder), read_tokens(located.folder)
    torch_device = choose_device(device)
    model = placed(load_model(located.folder, config, len(labels)), torch_device, precision)
    speed_up(model, precision)
    normalize = bool(config["model_conf"].get("normalize"))
    layers = layers_of(config)
    encoder = Emotion2vecEncoder(model, layers, normalize, labels, located.metadata, torch_device, precision)
    try:
        encoder.embed([np.zeros(receptive_field(layers), np.float32)])
    # FunASR checks no value of the configuration, and some are used first when the model runs.
    except Exception as error:
        raise MferError(f"the emotion2vec in {located.folder} cannot run: {typed_line(error)}") from error
    return encoder
