"""VideoMAE: an encoder of short videos, over windows of a clip's face images.

A window is as many images as the checkpoint was trained on (16), end to end; the last one of a clip reaches
back so that it is full, and a shorter clip is filled up with its last image. An image's feature is the mean
of the last hidden state over the places of its pair of images (a tubelet), in the window whose middle is
nearest. So there is a feature per image, as of any face encoder, and no clip sees another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers import VideoMAEModel

from mfer_core.encoders.batched_faces import BatchedFaces
from mfer_core.encoders.checkpoint_pointer import Source
from mfer_core.encoders.checkpoints import find_checkpoint
from mfer_core.encoders.device import (
    BATCH_GIB,
    choose_device,
    in_halves,
    inference,
    items_within,
    placed,
    to_device,
)
from mfer_core.encoders.images import FILE, Preprocessing, read_preprocessing
from mfer_core.encoders.pretrained import load_pretrained, read_config

FAMILY = "videomae"
SHAPING_FILES = ("config.json", FILE)


def window_starts(count: int, length: int) -> list[int]:
    """Where windows of ``length`` images begin in a clip of ``count``; one at 0 of a clip that is shorter."""
    starts = list(range(0, max(count - length, 0) + 1, length))
    return starts if starts[-1] + length >= count else [*starts, count - length]


def nearest_window(count: int, length: int) -> np.ndarray:
    """Which window each image of a clip takes its feature from: that whose middle is nearest, int [T]."""
    middles = np.array(window_starts(count, length)) + (length - 1) / 2
    return np.abs(np.arange(count)[:, None] - middles).argmin(1)


@dataclass
class TransformersVideo(BatchedFaces):
    """A video encoder in evaluation mode, ready to embed the face images of clips."""

    model: VideoMAEModel
    preprocessing: Preprocessing
    metadata: dict  # name, revision, hash, family, images per window
    device: torch.device
    precision: str

    @property
    def dim(self) -> int:
        return self.model.config.hidden_size

    @property
    def length(self) -> int:
        """Images of a window."""
        return self.model.config.num_frames

    def head(self) -> None:
        """None: the published classifiers are of actions."""

    def stack(self) -> list[nn.Module]:
        """The transformer blocks."""
        return list(self.model.encoder.layer)

    def rest(self) -> list[nn.Module | nn.Parameter]:
        """Embeddings of tubelets, and the norm behind the blocks."""
        return [part for part in (self.model.embeddings, self.model.layernorm) if part is not None]

    @property
    def frame_bytes(self) -> float:
        """Working memory of one window: of a block at its widest."""
        config, pixels = self.model.config, self.preprocessing.height * self.preprocessing.width
        assert isinstance(config.patch_size, int)  # VideoMAE's patches are square.
        tokens = self.length // config.tubelet_size * pixels / config.patch_size**2
        block = tokens * (4 * config.hidden_size + 2 * config.intermediate_size)
        return 4.0 * (block + 2 * 3 * pixels * self.length)

    def features(self, pixels: Tensor) -> Tensor:
        """[N, length / tubelet, D] of preprocessed windows [N, length, 3, H, W]."""
        tokens = self.model(pixel_values=pixels).last_hidden_state  # [N, tubelets * places, D]
        return tokens.unflatten(1, (self.length // self.model.config.tubelet_size, -1)).mean(2)

    def embed_prepared(
        self, images: Tensor, batch_gib: float = BATCH_GIB, counts: Sequence[int] | None = None
    ) -> np.ndarray:
        """``embed`` of images that ``prepare`` returned; ``counts``: of how many each clip is (else it is
        one).
        """
        clips = list(images.split(list(counts or [len(images)])))
        windows = torch.cat([window for clip in clips for window in self._windows(clip)])
        with inference(self.device, self.precision):
            parts: list[Tensor] = []
            for batch in windows.split(items_within(batch_gib, self.frame_bytes)):
                parts += in_halves(self._run, batch)
            return torch.cat(list(self._by_image(clips, torch.cat(parts)))).cpu().numpy()

    def frames(self, images: list[Tensor]) -> list[Tensor]:
        """[T, D] per clip of prepared images [T, C, height, width]."""
        windows = torch.cat([window for clip in images for window in self._windows(clip)])
        return list(self._by_image(images, self.features(self._pixels(windows))))

    def _windows(self, clip: Tensor) -> Iterator[Tensor]:
        """uint8 [1, length, C, H, W], each window of a clip's images [T, C, H, W]."""
        short = self.length - len(clip)
        filled = torch.cat([clip, clip[-1:].expand(short, -1, -1, -1)]) if short > 0 else clip
        for start in window_starts(len(clip), self.length):
            yield filled[None, start : start + self.length]

    def _by_image(self, clips: Sequence[Tensor], features: Tensor) -> Iterator[Tensor]:
        """[T, D] of each clip, of the features [W, length / tubelet, D] of all clips' windows."""
        done, tubelet = 0, self.model.config.tubelet_size
        for clip in clips:
            starts = np.array(window_starts(len(clip), self.length))
            window = nearest_window(len(clip), self.length)
            position = (np.arange(len(clip)) - starts[window]) // tubelet
            yield features[torch.from_numpy(done + window), torch.from_numpy(position)]
            done += len(starts)

    def _pixels(self, windows: Tensor) -> Tensor:
        return self.preprocessing.normalise(windows.flatten(0, 1)).unflatten(0, windows.shape[:2])

    def _run(self, windows: Tensor) -> list[Tensor]:
        return [self.features(self._pixels(to_device(windows, self.device))).float()]


def load_transformers_video(source: Source, device: str, precision: str) -> TransformersVideo:
    """Load a folder or hub id. Raises MferError when it is missing, incomplete, no VideoMAE, or asks for a
    preparation of images that is not supported.
    """
    located = find_checkpoint(source.checkpoint, source.revision, SHAPING_FILES, source.hash)
    config = read_config(located.folder, "a video encoder", [FAMILY])
    model = load_pretrained(VideoMAEModel, located.folder, config)
    metadata = {**located.metadata, "family": FAMILY, "window": config.num_frames}
    torch_device = choose_device(device)
    model = placed(model, torch_device, precision)
    return TransformersVideo(model, read_preprocessing(located.folder), metadata, torch_device, precision)
