"""What a fold's job reads: labels and speakers, embeddings, folds; and the digests that its key covers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from mfer_core.base.errors import MferError
from mfer_core.base.manifest import read_manifest
from mfer_core.base.paths import DataPaths
from mfer_core.cache.embeddings import MIXED_LAYERS, Embeddings, open_embeddings, same_encoder, view_folders
from mfer_core.dataset.clips import Clips
from mfer_core.dataset.steps import NormalisedSteps, StoredSteps, moments, steps_of


def manifest_of(data: Path, corpora: Iterable[str]) -> pd.DataFrame:
    """The corpora's manifests in one frame, indexed by clip_id."""
    frames = [read_manifest(DataPaths(Path(data)).manifest(corpus)) for corpus in corpora]
    return pd.concat(frames).set_index("clip_id", drop=False)


@dataclass(frozen=True)
class ModalityEmbeddings:
    """One modality's embeddings of some corpora: clip_id -> [T, D], and the encoder's metadata.

    ``views`` holds the augmented views, one map clip_id -> [T, D] per view, in half precision as they are
    stored.
    """

    values: Mapping[str, Tensor]
    metadata: dict
    dim: int
    views: list[Mapping[str, Tensor]] = field(default_factory=list)
    # Of the clean embeddings and of each view: the encoder's metadata, and clip_id -> key of all that shaped
    # the values.
    content: list[tuple[dict, dict[str, str]]] = field(default_factory=list)

    @property
    def mixed_layers(self) -> int:
        """How many layers of the encoder a step holds, one after the other."""
        return self.metadata.get(MIXED_LAYERS, 1)


def _joined(folders: Iterable[Path]) -> Embeddings:
    """The embeddings of several corpora. Raises MferError for a missing folder or another encoder."""
    joined = Embeddings([], {})
    for folder in folders:
        opened = open_embeddings(folder)
        if opened.metadata and joined.metadata and not same_encoder(opened.metadata, joined.metadata):
            raise MferError(
                f"{folder} was embedded by another encoder than the other corpora: {opened.metadata} against "
                f"{joined.metadata}"
            )
        joined = joined.joined(opened) if joined.metadata else opened
    return joined


def _open_views(folders: list[Path]) -> list[Embeddings]:
    """The augmented views of some corpora. Raises MferError when the corpora differ in their number."""
    views = [view_folders(folder) for folder in folders]
    if len({len(of_corpus) for of_corpus in views}) > 1:
        counts = ", ".join(
            f"{len(of_corpus)} in {folder}" for of_corpus, folder in zip(views, folders, strict=True)
        )
        raise MferError(
            f"the corpora have different numbers of augmented views ({counts}): run embed again for all of "
            "them"
        )
    return [_joined(same) for same in zip(*views, strict=True)]


def load_modality(data: Path, modality: str, corpora: Iterable[str]) -> ModalityEmbeddings:
    """Embeddings of ``corpora`` and their augmented views, mapped.

    Raises MferError when a folder is missing, or the encoders or the numbers of views differ.
    """
    folders = [DataPaths(Path(data)).embeddings(modality, corpus) for corpus in corpora]
    clean, views = _joined(folders), _open_views(folders)
    content = [(opened.metadata, opened.row_keys()) for opened in (clean, *views)]
    return ModalityEmbeddings(
        StoredSteps(clean), clean.metadata, clean.dim or 1, [StoredSteps(view) for view in views], content
    )


def make_clips(
    clip_ids: Iterable[str],
    manifest: pd.DataFrame,
    classes: tuple[str, ...],
    modalities: Mapping[str, ModalityEmbeddings],
) -> Clips:
    """The clips that have at least one of ``modalities``, in the order given. Raises MferError on a label
    outside ``classes``.
    """
    chosen = [clip for clip in clip_ids if any(clip in modality.values for modality in modalities.values())]
    rows = manifest.loc[chosen]
    unknown = sorted(set(rows.label) - set(classes))
    if unknown:
        raise MferError(
            f"labels {', '.join(unknown)} are not among the stage's classes: {', '.join(classes)}"
        )
    labels = torch.tensor([classes.index(label) for label in rows.label], dtype=torch.int64)
    values = {name: steps_of(modality.values, chosen) for name, modality in modalities.items()}
    dims = {name: modality.dim for name, modality in modalities.items()}
    views = {
        name: [steps_of(view, chosen) for view in modality.views]
        for name, modality in modalities.items()
        if modality.views
    }
    return Clips(tuple(chosen), tuple(rows.speaker), labels, values, dims, views)


def normalised(
    modality: ModalityEmbeddings, normalisation: str, manifest: pd.DataFrame
) -> ModalityEmbeddings:
    """The embeddings as an arm with this ``normalisation`` takes them.

    "none": as they are. "speaker": each step less its speaker's mean, divided by its speaker's standard
    deviation, over all clips of that speaker in ``manifest``; no label is used. Each augmented view is
    normalised by moments of its own, because augmentation changes a speaker's voice or face.
    """
    if normalisation == "none":
        return modality
    values, *views = (_by_speaker(values, manifest) for values in (modality.values, *modality.views))
    return replace(modality, values=values, views=views)


def _by_speaker(values: Mapping[str, Tensor], manifest: pd.DataFrame) -> Mapping[str, Tensor]:
    groups: dict[str, int] = {}
    statistics: list[tuple[Tensor, Tensor]] = []
    for _, clips in manifest.groupby("speaker").clip_id:
        present = [clip for clip in clips if clip in values]
        if present:
            groups |= dict.fromkeys(present, len(statistics))
            statistics.append(moments(steps_of(values, present)))
    if not statistics:
        return values
    mean, std = (torch.stack(rows) for rows in zip(*statistics, strict=True))
    return NormalisedSteps(values, groups, mean, std)
