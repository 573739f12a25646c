"""One modality of some clips, [T, D] each, read from the mapped embeddings when a batch asks for it.

Nothing here holds a clip's values or an object per clip: training goes through more embeddings than memory
holds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from mfer_core.cache.embeddings import Embeddings


@dataclass(frozen=True)
class LazyClip:
    """A clip's frames or waveform, read when a batch needs them: changed at random where ``read`` is given a
    generator.
    """

    steps: int  # steps of the clip's embeddings, by which batches are sorted
    read: Callable[[np.random.Generator | None], Tensor]

    def __len__(self) -> int:
        return self.steps


Values = Sequence[Tensor | LazyClip | None]  # A clip each of one modality; None where the clip lacks it.


class StoredSteps(Mapping[str, Tensor]):
    """clip_id -> [T, D], a copy out of the mapping in the dtype that is stored; clips without a step are left
    out.
    """

    def __init__(self, embeddings: Embeddings):
        self.embeddings = embeddings

    def length(self, clip_id: str) -> int:
        """T of a clip, 0 for one that is not here; no values are read."""
        return int(self.embeddings.lengths[self.embeddings.row(clip_id)]) if clip_id in self.embeddings else 0

    def __getitem__(self, clip_id: str) -> Tensor:
        if not self.length(clip_id):
            raise KeyError(clip_id)
        return torch.from_numpy(self.embeddings[clip_id].copy())

    def __contains__(self, clip_id: object) -> bool:
        return isinstance(clip_id, str) and self.length(clip_id) > 0

    def __iter__(self) -> Iterator[str]:
        return (clip for clip in self.embeddings if self.length(clip))

    def __len__(self) -> int:
        return int((self.embeddings.lengths > 0).sum())


class NormalisedSteps(Mapping[str, Tensor]):
    """The steps of ``values`` less their group's mean, divided by their group's standard deviation, in their
    own dtype.

    ``groups``: clip_id -> row of ``mean`` and ``std``, float32 [G, D]; clips of no group are as they are.
    """

    def __init__(self, values: Mapping[str, Tensor], groups: Mapping[str, int], mean: Tensor, std: Tensor):
        self.values_before, self.groups, self.mean, self.std = values, groups, mean, std

    def length(self, clip_id: str) -> int:
        return length_of(self.values_before, clip_id)

    def __getitem__(self, clip_id: str) -> Tensor:
        value, group = self.values_before[clip_id], self.groups.get(clip_id)
        return value if group is None else ((value - self.mean[group]) / self.std[group]).to(value.dtype)

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self.values_before

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_before)

    def __len__(self) -> int:
        return len(self.values_before)


def length_of(values: Mapping[str, Tensor], clip_id: str) -> int:
    """T of a clip, 0 for one that ``values`` lacks."""
    if isinstance(values, StoredSteps | NormalisedSteps):
        return values.length(clip_id)
    return len(values[clip_id]) if clip_id in values else 0


@dataclass(frozen=True)
class ClipSteps(Sequence[Tensor | None]):
    """[T, D] of clip i at position i; None where the clip lacks the modality."""

    values: Mapping[str, Tensor]
    clip_ids: Sequence[str]
    lengths: np.ndarray  # T of each clip, int64 [N]

    def __getitem__(self, i: int) -> Tensor | None:  # type: ignore[override]
        return self.values[self.clip_ids[i]] if self.lengths[i] else None

    def __len__(self) -> int:
        return len(self.clip_ids)


@dataclass(frozen=True)
class DrawnSteps(Sequence[Tensor | LazyClip | None]):
    """Clip i in the view that was drawn for it."""

    views: Sequence[Values]
    drawn: np.ndarray  # int [N], which of ``views``

    @property
    def lengths(self) -> np.ndarray:
        return np.stack([lengths_of(view) for view in self.views])[self.drawn, np.arange(len(self))]

    def __getitem__(self, i: int) -> Tensor | LazyClip | None:  # type: ignore[override]
        return self.views[self.drawn[i]][i]

    def __len__(self) -> int:
        return len(self.drawn)


def steps_of(values: Mapping[str, Tensor], clip_ids: Sequence[str]) -> ClipSteps:
    """The values of some clips, in the order given."""
    return ClipSteps(values, clip_ids, np.array([length_of(values, clip) for clip in clip_ids], np.int64))


def lengths_of(values: Values) -> np.ndarray:
    """T of each clip, int64 [N]; 0 where it lacks the modality."""
    if isinstance(values, ClipSteps | DrawnSteps):
        return values.lengths
    return np.array([0 if value is None else len(value) for value in values], np.int64)


def take(values: Sequence, indices: Sequence[int]) -> Sequence:
    """The clips at some positions."""
    if isinstance(values, ClipSteps):
        return ClipSteps(values.values, [values.clip_ids[i] for i in indices], values.lengths[list(indices)])
    return [values[i] for i in indices]


def in_memory(value: Tensor | LazyClip | None) -> Tensor | None:
    """A clip's steps. Raises TypeError for a clip that is not embedded yet."""
    if isinstance(value, LazyClip):
        raise TypeError("a clip that is not embedded yet has no steps")
    return value


def moments(values: Values) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [D], float32, over all steps of some clips, the latter at least 1e-6;
    absent clips do not count.

    Clips are read twice, one at a time.
    """
    count = int(lengths_of(values).sum())
    mean = reduce(torch.add, (steps.sum(0) for steps in _present(values))) / count
    variance = reduce(torch.add, (((steps - mean) ** 2).sum(0) for steps in _present(values))) / count
    return mean.float(), variance.sqrt().clamp(min=1e-6).float()


def _present(values: Values) -> Iterator[Tensor]:
    """The steps of the clips that have some, float64."""
    for value in values:
        steps = in_memory(value)
        if steps is not None and len(steps):
            yield steps.double()
