"""Long recordings cut into overlapping windows whose frames lie on the recording's own 20 ms grid.

Attention is quadratic in time, so a recording above ``WINDOW_S`` is embedded piecewise: each window lends
context of ``CONTEXT_S`` on both sides, which is computed and thrown away. The frames are on the same times as
in one pass; their values differ a little, because a frame no longer attends to what lies outside its window.
"""

from dataclasses import dataclass

import numpy as np
import torch

from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.encoders.emotion2vec_config import Layers, frame_count, hop, receptive_field

WINDOW_S = 40.0
CONTEXT_S = 4.0


@dataclass(frozen=True)
class Window:
    """Samples of one window, and which of its frames are kept."""

    samples: torch.Tensor
    first: int
    last: int | None  # The window reaches to the end where this is None.


def split_windows(samples: torch.Tensor, layers: Layers) -> list[Window]:
    """One window for a clip of at most WINDOW_S; else windows whose kept frames tile the recording's
    frames.
    """
    if len(samples) <= WINDOW_S * SAMPLE_RATE:
        return [Window(samples, 0, None)]
    step, field = hop(layers), receptive_field(layers)
    context = int(CONTEXT_S * SAMPLE_RATE) // step
    kept = int(WINDOW_S * SAMPLE_RATE) // step - 2 * context
    windows, total = [], frame_count(len(samples), layers)
    for start in range(0, total, kept):
        first, end = max(0, start - context), min(total, start + kept + context)
        piece = samples[first * step : (end - 1) * step + field]
        windows.append(Window(piece, start - first, min(start + kept, total) - first))
    return windows


def join_windows(pieces: list[tuple[Window, np.ndarray]]) -> np.ndarray:
    """[T, D] frames of a recording from the frames of its windows."""
    return np.concatenate([frames[window.first : window.last] for window, frames in pieces])
