"""Clips in memory and batches of them: what every stage trains on and predicts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mfer_core.dataset.steps import DrawnSteps, LazyClip, Values, lengths_of, take

Batch = tuple[list[Tensor], Tensor]  # model inputs (values, lengths per modality), label ids [B]
BUCKET_BATCHES = 8  # batches whose clips are sorted by length together


@dataclass(frozen=True)
class Clips:
    """Clips of one part of a fold. ``modalities[m][i]`` is [T, D] or lazy, or None where clip i lacks
    modality m.

    ``views[m][v]`` is like ``modalities[m]``, in an augmented view.
    """

    clip_ids: tuple[str, ...]
    speakers: tuple[str, ...]
    labels: Tensor  # int64 [N], ids in the declared label set
    modalities: Mapping[str, Values]
    dims: Mapping[str, int]  # D of each modality, also where no clip has it
    views: Mapping[str, Sequence[Values]] = field(default_factory=dict)
    # Float32 [N, C], what is learned of each clip where that is not its label alone; rows sum to 1.
    targets: Tensor | None = None

    def __len__(self) -> int:
        return len(self.clip_ids)

    def lengths(self) -> np.ndarray:
        """Longest modality of each clip, in steps [N]."""
        return np.max([lengths_of(values) for values in self.modalities.values()], 0)

    def select(self, indices: list[int]) -> "Clips":
        return Clips(
            tuple(self.clip_ids[i] for i in indices),
            tuple(self.speakers[i] for i in indices),
            self.labels[indices],
            {name: take(values, indices) for name, values in self.modalities.items()},
            self.dims,
            {name: [take(view, indices) for view in views] for name, views in self.views.items()},
            None if self.targets is None else self.targets[indices],
        )

    def draw_views(self, rng: np.random.Generator) -> "Clips":
        """The clips with each modality of each clip in one of its views, the clean one among them, drawn
        evenly.
        """
        drawn = dict(self.modalities)
        for name, views in self.views.items():
            choices = [self.modalities[name], *views]
            drawn[name] = DrawnSteps(choices, rng.integers(len(choices), size=len(self)))
        return replace(self, modalities=drawn, views={})

    def present(self) -> np.ndarray:
        """Which modalities each clip has, bool [N, M]."""
        return np.stack([lengths_of(values) > 0 for values in self.modalities.values()], 1)


def collate(
    clips: Clips, indices: list[int], hidden: np.ndarray | None = None, rng: np.random.Generator | None = None
) -> Batch:
    """Right-pad the clips at ``indices``. ``hidden`` [N, M] marks modalities to leave out (modality dropout);
    ``rng``: for training.
    """
    inputs: list[Tensor] = []
    for column, (name, values) in enumerate(clips.modalities.items()):
        chosen = [None if hidden is not None and hidden[i, column] else values[i] for i in indices]
        shown = [_in_memory(value, rng) for value in chosen]
        like = next((value for value in shown if value is not None), torch.zeros(1, clips.dims[name]))
        steps = [torch.zeros_like(like[:1]) if value is None else value for value in shown]
        padded = pad_sequence(steps, batch_first=True)  # [B, T, D]
        inputs += [padded, torch.tensor([0 if value is None else len(value) for value in shown])]
    return inputs, clips.labels[indices]


def _in_memory(value: Tensor | LazyClip | None, rng: np.random.Generator | None) -> Tensor | None:
    if value is None:
        return None
    # Views are stored in half precision.
    return value.read(rng) if isinstance(value, LazyClip) else value.float()


def bucketed(
    order: np.ndarray, lengths: np.ndarray, batch_size: int, rng: np.random.Generator
) -> list[list[int]]:
    """Cut ``order`` into batches of clips of like length; which batch comes when stays random."""
    batches: list[list[int]] = []
    for start in range(0, len(order), batch_size * BUCKET_BATCHES):
        bucket = order[start : start + batch_size * BUCKET_BATCHES]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        batches += [bucket[at : at + batch_size].tolist() for at in range(0, len(bucket), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def at_random(
    order: np.ndarray, lengths: np.ndarray, batch_size: int, rng: np.random.Generator
) -> list[list[int]]:
    """Cut ``order`` into batches as it comes, whatever the clips' lengths."""
    return [order[at : at + batch_size].tolist() for at in range(0, len(order), batch_size)]


def in_order(clips: Clips, batch_size: int) -> Iterator[tuple[list[int], Batch]]:
    """Every clip once, batched by length, with its indices: for prediction."""
    order = np.argsort(clips.lengths(), kind="stable")
    for start in range(0, len(order), batch_size):
        indices = order[start : start + batch_size].tolist()
        yield indices, collate(clips, indices)
