"""Where an encoder's frames lie on a recording; long recordings cut into overlapping windows on that grid.

Attention is quadratic in time, and some models take no more than a fixed length, so a longer recording is
embedded piecewise: each window lends context of ``CONTEXT_S`` on both sides, which is computed and thrown
away. The frames are on the same times as in one pass; their values differ a little, because a frame no longer
attends to what lies outside its window.
"""

from dataclasses import dataclass
from math import inf

import numpy as np
import torch

from mfer_core.cache.schemas import SAMPLE_RATE

WINDOW_S = 40.0
CONTEXT_S = 4.0


@dataclass(frozen=True)
class Grid:
    """An encoder's frames on its input, whose items are samples, or spectra that lie ``spacing`` samples
    apart.
    """

    hop: int  # input items from frame to frame
    field: int  # input items that the first frame needs
    centre: float  # the sample in the middle of the first frame
    spacing: int = 1  # samples from item to item
    longest_s: float = inf  # The model takes no more than this in one pass, seconds.

    @property
    def frame_samples(self) -> int:
        """Samples from frame to frame."""
        return self.hop * self.spacing

    def count(self, items: int) -> int:
        """Frames of an input of at least ``field`` items."""
        return (items - self.field) // self.hop + 1

    def centres(self, frames: int) -> np.ndarray:
        """The sample position of the centre of each of the first ``frames`` frames."""
        return np.arange(frames) * self.frame_samples + self.centre


@dataclass(frozen=True)
class Window:
    """The input items of one window, and which of its frames are kept."""

    items: torch.Tensor
    first: int
    last: int | None  # The window reaches to the end where this is None.


def split_windows(items: torch.Tensor, grid: Grid) -> list[Window]:
    """One window for a clip of at most WINDOW_S; else windows whose kept frames tile the recording's
    frames.
    """
    longest = int(min(WINDOW_S, grid.longest_s) * SAMPLE_RATE) // grid.frame_samples  # frames of a window
    if len(items) <= longest * grid.hop:
        return [Window(items, 0, None)]
    # A model of short windows keeps a third of each at least.
    context = min(int(CONTEXT_S * SAMPLE_RATE) // grid.frame_samples, longest // 3)
    kept = longest - 2 * context
    windows, total = [], grid.count(len(items))
    for start in range(0, total, kept):
        first, end = max(0, start - context), min(total, start + kept + context)
        piece = items[first * grid.hop : (end - 1) * grid.hop + max(grid.field, grid.hop)]
        windows.append(Window(piece, start - first, min(start + kept, total) - first))
    return windows


def join_windows(pieces: list[tuple[Window, np.ndarray]]) -> np.ndarray:
    """[T, D] frames of a recording from the frames of its windows."""
    return np.concatenate([frames[window.first : window.last] for window, frames in pieces])
