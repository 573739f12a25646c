"""What all speech encoders share: clips cut into windows, windows of like length in batches that fit the
memory, and their frames joined again.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch

from mfer_core.base.errors import ClipError
from mfer_core.encoders.device import BATCH_GIB, in_halves, inference, items_within
from mfer_core.encoders.windows import Grid, join_windows, split_windows


class WindowedSpeech(ABC):
    """A speech encoder whose clips go through overlapping windows (see windows.py)."""

    device: torch.device
    precision: str

    @property
    @abstractmethod
    def grid(self) -> Grid:
        """Where the frames lie on what ``prepare`` returns."""

    @abstractmethod
    def frames(self, prepared: list[torch.Tensor]) -> list[torch.Tensor]:
        """[T, D] per prepared clip, on the device, in one batch that no clip's values depend on."""

    @abstractmethod
    def clip_bytes(self, items: int) -> float:
        """Working memory of a clip in a batch of clips of ``items`` input items."""

    @abstractmethod
    def as_input(self, samples: np.ndarray) -> torch.Tensor:
        """float32 [N] samples or [N, F] spectra, as the model takes them, of contiguous float32 samples."""

    def prepare(self, waveform: np.ndarray) -> torch.Tensor:
        """The model's input of one mono 16 kHz waveform. Raises ClipError for an empty one."""
        if waveform.size == 0:
            raise ClipError("empty waveform", "no samples to embed")
        return self.as_input(np.ascontiguousarray(waveform, np.float32))

    def embed(self, waveforms: list[np.ndarray], batch_gib: float = BATCH_GIB) -> list[np.ndarray]:
        """float32 [T, D] per mono 16 kHz waveform (float32 in -1..1).

        A clip too short for one frame is padded with zeros to one; an empty one raises ClipError. A batch
        takes about ``batch_gib`` of working memory, and less where that is not there.
        """
        return self.embed_prepared([self.prepare(waveform) for waveform in waveforms], batch_gib)

    def embed_prepared(self, prepared: list[torch.Tensor], batch_gib: float = BATCH_GIB) -> list[np.ndarray]:
        """``embed`` of waveforms that ``prepare`` returned. Returns when the device is done."""
        pieces, counts = [], []
        for items in prepared:
            windows = split_windows(items, self.grid)
            pieces += windows
            counts.append(len(windows))
        frames = iter(self._embed_pieces([piece.items for piece in pieces], batch_gib))
        whole = iter(pieces)
        return [join_windows([(next(whole), next(frames)) for _ in range(count)]) for count in counts]

    def centres(self, frames: int) -> np.ndarray:
        """The sample position of the centre of each of the first ``frames`` frames."""
        return self.grid.centres(frames)

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
        return [values.float() for values in self.frames(list(pieces))]
