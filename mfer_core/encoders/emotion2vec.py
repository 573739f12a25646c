"""emotion2vec: frame-level speech features, 50 per second, from any FunASR checkpoint folder or id.

Method: Ma et al. 2023, https://arxiv.org/abs/2312.15185. The model is FunASR's own class; what is added here
is that a clip's frames do not depend on its batch mates (see ``emotion2vec_batch.py``), that a checkpoint
folder cannot run code, and that the same arithmetic takes less time (see ``emotion2vec_fast.py``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from mfer_core.base.errors import ClipError
from mfer_core.cache.heads import Head
from mfer_core.encoders.checkpoints import find_checkpoint
from mfer_core.encoders.device import BATCH_GIB, choose_device, in_halves, inference, items_within
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
from mfer_core.encoders.windows import join_windows, split_windows

if TYPE_CHECKING:
    from funasr.models.emotion2vec.model import Emotion2vec

SHAPING_FILES = ("config.yaml", "tokens.txt")


@dataclass
class Emotion2vecEncoder:
    """An emotion2vec in evaluation mode, ready to embed waveforms."""

    model: "Emotion2vec"
    layers: Layers
    normalize: bool  # zero mean, unit variance over each whole clip
    labels: list[str]  # The labels of the checkpoint's own head as it spells them; [] without a head.
    metadata: dict  # name, revision, hash
    device: torch.device
    precision: str

    def __post_init__(self) -> None:
        self.batches = ExactBatches(self.model, self.layers)

    def embed(self, waveforms: list[np.ndarray], batch_gib: float = BATCH_GIB) -> list[np.ndarray]:
        """float32 [T, D] per mono 16 kHz waveform (float32 in -1..1), T = floor((N - 400) / 320) + 1.

        A clip shorter than the receptive field (400 samples) is padded with zeros to one frame; an empty one
        raises ClipError. Recordings longer than ``windows.WINDOW_S`` go through overlapping windows. A batch
        takes about ``batch_gib`` of working memory, and less where that is not there.
        """
        return self.embed_prepared([self.prepare(waveform) for waveform in waveforms], batch_gib)

    def embed_prepared(self, prepared: list[torch.Tensor], batch_gib: float = BATCH_GIB) -> list[np.ndarray]:
        """``embed`` of waveforms that ``prepare`` returned. Returns when the device is done."""
        pieces, counts = [], []
        for samples in prepared:
            windows = split_windows(samples, self.layers)
            pieces += windows
            counts.append(len(windows))
        frames = iter(self._embed_pieces([piece.samples for piece in pieces], batch_gib))
        whole = iter(pieces)
        return [join_windows([(next(whole), next(frames)) for _ in range(count)]) for count in counts]

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

    def centres(self, frames: int) -> np.ndarray:
        """The sample position of the centre of each of the first ``frames`` frames."""
        return np.arange(frames) * hop(self.layers) + receptive_field(self.layers) / 2

    def prepare(self, waveform: np.ndarray) -> torch.Tensor:
        """float32 [N]: the samples as the model takes them, normalised where the checkpoint asks for it.
        Raises ClipError for none.
        """
        if waveform.size == 0:
            raise ClipError("empty waveform", "no samples to embed")
        samples = torch.from_numpy(np.ascontiguousarray(waveform, np.float32))
        return torch.nn.functional.layer_norm(samples, samples.shape) if self.normalize else samples

    def clip_bytes(self, samples: int) -> float:
        """Working memory of a clip in a batch of clips of ``samples``: of the first convolution, or of a
        block and its attention.
        """
        audio, field = self.model.modality_encoders["AUDIO"], receptive_field(self.layers)
        channels, _, stride = self.layers[0]
        steps = frame_count(max(samples, field), self.layers) + audio.modality_cfg.num_extra_tokens
        front = 3 * channels * samples / stride
        block = (
            steps * (4 + 2 * self.model.cfg.mlp_ratio) * self.dim + 2 * self.model.cfg.num_heads * steps**2
        )
        return 4.0 * (max(front, block) + 3 * max(samples, field))

    def _embed_pieces(self, pieces: list[torch.Tensor], batch_gib: float) -> list[np.ndarray]:
        """Frames per piece; batches hold pieces of like length, so little is padding."""
        order = sorted(range(len(pieces)), key=lambda index: len(pieces[index]), reverse=True)
        frames: list[torch.Tensor] = []
        with inference(self.device, self.precision):
            while len(frames) < len(order):
                size = items_within(batch_gib, self.clip_bytes(len(pieces[order[len(frames)]])))
                frames += in_halves(
                    self._run, [pieces[index] for index in order[len(frames) : len(frames) + size]]
                )
            by_piece = dict(zip(order, frames, strict=True))
            return [by_piece[index].cpu().numpy() for index in range(len(pieces))]

    def _run(self, pieces: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        return [values.float() for values in self.batches(list(pieces))]


def load_emotion2vec(
    checkpoint: str, revision: str | None, device: str, precision: str
) -> Emotion2vecEncoder:
    """Load a FunASR folder or id. Raises MferError when it is missing, unsafe or not an Emotion2vec."""
    located = find_checkpoint(checkpoint, revision, SHAPING_FILES)
    config, labels = read_config(located.folder), read_tokens(located.folder)
    target = choose_device(device)
    model = load_model(located.folder, config, len(labels)).to(target)
    speed_up(model, precision)
    normalize = bool(config["model_conf"].get("normalize"))
    return Emotion2vecEncoder(
        model, layers_of(config), normalize, labels, located.metadata, target, precision
    )
