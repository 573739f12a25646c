"""emotion2vec: frame-level speech features, 50 per second, from any FunASR checkpoint folder or id.

Method: Ma et al. 2023, https://arxiv.org/abs/2312.15185. The model is FunASR's own class; what is added here is that a
clip's frames do not depend on its batch mates (see ``emotion2vec_batch.py``), that a checkpoint folder cannot run code, and
that the same arithmetic takes less time (see ``emotion2vec_fast.py``).
"""

from dataclasses import dataclass

import numpy as np
import torch

from mfer_core.cache.heads import Head
from mfer_core.encoders.checkpoints import find_checkpoint
from mfer_core.encoders.device import choose_device, in_halves, inference
from mfer_core.encoders.emotion2vec_batch import ExactBatches
from mfer_core.encoders.emotion2vec_config import Layers, hop, layers_of, read_config, read_tokens, receptive_field
from mfer_core.encoders.emotion2vec_fast import speed_up
from mfer_core.encoders.emotion2vec_model import load_model
from mfer_core.encoders.windows import join_windows, split_windows
from mfer_core.errors import ClipError, MferError

SHAPING_FILES = ("config.yaml", "tokens.txt")


@dataclass
class Emotion2vecEncoder:
    """An emotion2vec in evaluation mode, ready to embed waveforms."""

    model: torch.nn.Module
    layers: Layers
    normalize: bool  # zero mean, unit variance over each whole clip
    labels: list[str]  # of its own head as the checkpoint spells them; [] without a head
    metadata: dict  # name, revision, hash
    device: torch.device
    precision: str

    def __post_init__(self):
        self.batches = ExactBatches(self.model, self.layers)

    def embed(self, waveforms: list[np.ndarray], batch_size: int = 1) -> list[np.ndarray]:
        """float32 [T, D] per mono 16 kHz waveform (float32 in -1..1), T = floor((N - 400) / 320) + 1.

        A clip shorter than the receptive field (400 samples) is padded with zeros to one frame; an empty one raises
        ClipError. Recordings longer than ``windows.WINDOW_S`` go through overlapping windows.
        """
        pieces, counts = [], []
        for waveform in waveforms:
            windows = split_windows(self.prepare(waveform), self.layers)
            pieces += windows
            counts.append(len(windows))
        frames = iter(self._embed_pieces([piece.samples for piece in pieces], batch_size))
        whole = iter(pieces)
        return [join_windows([(next(whole), next(frames)) for _ in range(count)]) for count in counts]

    def classify(self, waveforms: list[np.ndarray], batch_size: int = 1) -> np.ndarray:
        """float32 [N, len(labels)]: the probabilities of the checkpoint's own head on the mean frame (a zero-shot baseline).

        Raises MferError for a checkpoint without a head.
        """
        if self.model.proj is None:
            raise MferError(f"{self.metadata['name']} has no head: only the '+' checkpoints of emotion2vec classify")
        means = np.stack([frames.mean(0) for frames in self.embed(waveforms, batch_size)])
        with inference(self.device, "fp32"):
            return self.model.proj(torch.from_numpy(means).to(self.device)).softmax(-1).cpu().numpy()

    @property
    def dim(self) -> int:
        """D of the frames."""
        return self.model.cfg.embed_dim

    def head(self) -> Head | None:
        """The checkpoint's own classifier of the mean frame, None where it has none."""
        if self.model.proj is None:
            return None
        weight, bias = (value.detach().float().cpu().numpy() for value in (self.model.proj.weight, self.model.proj.bias))
        return Head(weight, bias, self.labels)

    def centres(self, frames: int) -> np.ndarray:
        """The sample position of the centre of each of the first ``frames`` frames."""
        return np.arange(frames) * hop(self.layers) + receptive_field(self.layers) / 2

    def prepare(self, waveform: np.ndarray) -> torch.Tensor:
        """float32 [N]: the samples as the model takes them, normalised where the checkpoint asks for it. Raises ClipError for none."""
        if waveform.size == 0:
            raise ClipError("empty waveform", "no samples to embed")
        samples = torch.from_numpy(np.ascontiguousarray(waveform, np.float32))
        return torch.nn.functional.layer_norm(samples, samples.shape) if self.normalize else samples

    def _embed_pieces(self, pieces: list[torch.Tensor], batch_size: int) -> list[np.ndarray]:
        """Frames per piece; batches hold pieces of like length, so little is padding."""
        order = sorted(range(len(pieces)), key=lambda index: len(pieces[index]), reverse=True)
        frames: list[np.ndarray] = [np.empty(0)] * len(pieces)
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            for index, values in zip(chosen, in_halves(self._run, [pieces[index] for index in chosen]), strict=True):
                frames[index] = values
        return frames

    def _run(self, pieces) -> list[np.ndarray]:
        with inference(self.device, self.precision):
            return [values.float().cpu().numpy() for values in self.batches([piece.to(self.device) for piece in pieces])]


def load_emotion2vec(checkpoint: str, revision: str | None, device: str, precision: str) -> Emotion2vecEncoder:
    """Load a FunASR folder or id. Raises MferError when it is missing, unsafe or not an Emotion2vec."""
    found = find_checkpoint(checkpoint, revision, SHAPING_FILES)
    config, labels = read_config(found.folder), read_tokens(found.folder)
    target = choose_device(device)
    model = load_model(found.folder, config, len(labels)).to(target)
    speed_up(model, precision)
    normalize = bool(config["model_conf"].get("normalize"))
    return Emotion2vecEncoder(model, layers_of(config), normalize, labels, found.metadata, target, precision)
