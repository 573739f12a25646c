"""What a fold's job reads: labels and speakers, embeddings, folds; and the digests that its key covers."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest, read_table
from mfer_core.base.manifest import read_manifest
from mfer_core.cache.embeddings import same_encoder, view_folders
from mfer_core.cache.shards import read_metadata, read_shards
from mfer_core.protocol.protocols import PARTS
from mfer_core.training.clips import Clips
from mfer_core.training.shared import shared_embeddings


def manifest_of(data: Path, corpora: Iterable[str]) -> pd.DataFrame:
    """The corpora's manifests in one frame, indexed by clip_id."""
    frames = [read_manifest(Path(data) / "ingest" / corpus / "manifest.parquet") for corpus in corpora]
    return pd.concat(frames).set_index("clip_id", drop=False)


def fold_parts(data: Path, protocol: str, fold: int) -> dict[str, list[str]]:
    """clip_ids per part of one fold. Raises MferError when the folds table does not hold it."""
    folds = read_table(Path(data) / "folds" / "folds.parquet")
    rows = folds[(folds.protocol == protocol) & (folds.fold == fold)]
    if rows.empty:
        raise MferError(
            f"folds.parquet holds no fold {fold} of {protocol}: run the folds stage after changing its settings"
        )
    return {part: sorted(rows.clip_id[rows.part == part]) for part in PARTS}


@dataclass(frozen=True)
class Modality:
    """One modality's embeddings of some corpora: clip_id -> [T, D], clip_id -> key, and the encoder's metadata.

    ``views`` holds the augmented views, one map clip_id -> [T, D] per view, in half precision as they are stored.
    """

    values: dict[str, Tensor]
    keys: dict[str, str]
    metadata: dict
    dim: int
    views: list[dict[str, Tensor]] = field(default_factory=list)


def _load_views(folders: list[Path]) -> list[dict[str, Tensor]]:
    """The augmented views of some corpora. Raises MferError when the corpora differ in their number."""
    found = [view_folders(folder) for folder in folders]
    if len({len(views) for views in found}) > 1:
        counts = ", ".join(f"{len(views)} in {folder}" for views, folder in zip(found, folders, strict=True))
        raise MferError(
            f"the corpora have different numbers of augmented views ({counts}): run embed again for all of them"
        )
    several = []
    for same in zip(*found, strict=True):
        loaded = [shared_embeddings(folder, "float16")[0] for folder in same]
        several.append({clip: value for values in loaded for clip, value in values.items() if len(value)})
    return several


def load_modality(data: Path, modality: str, corpora: Iterable[str], views: bool = False) -> Modality:
    """Embeddings of ``corpora``, for training with their augmented ``views``.

    Raises MferError when a folder is missing, or the encoders or the numbers of views differ.
    """
    corpora = list(corpora)
    values: dict[str, Tensor] = {}
    keys: dict[str, str] = {}
    metadata: dict = {}
    for corpus in corpora:
        folder = Path(data) / "embed" / modality / corpus
        found, encoder = shared_embeddings(folder, "float32")
        if encoder and metadata and not same_encoder(encoder, metadata):
            raise MferError(
                f"{folder} was embedded by another encoder than the other corpora: {encoder} against {metadata}"
            )
        metadata = metadata or encoder
        values |= {clip_id: value for clip_id, value in found.items() if len(value)}
        keys |= embedding_keys(folder)
    dim = next(iter(values.values())).shape[1] if values else 1
    folders = [Path(data) / "embed" / modality / corpus for corpus in corpora]
    return Modality(values, keys, metadata, dim, _load_views(folders) if views else [])


def embedding_keys(folder: Path) -> dict[str, str]:
    """clip_id -> key of a folder of embeddings."""
    keys: dict[str, str] = {}
    for table in read_shards(folder, ["clip_id", "key"]):
        keys |= dict(zip(table["clip_id"].to_pylist(), table["key"].to_pylist(), strict=True))
    return keys


def inputs_digest(
    data: Path,
    modalities: Iterable[str],
    corpora: Iterable[str],
    parts: dict[str, list[str]],
    manifest: pd.DataFrame,
) -> str:
    """One hash of all that a fold reads: its clips' parts, labels and speakers, their embeddings' keys, the encoders."""
    facts = []
    for modality in modalities:
        for corpus in corpora:
            folder = Path(data) / "embed" / modality / corpus
            for view in (folder, *view_folders(folder)):
                keys = embedding_keys(view)
                facts.append(
                    [
                        modality,
                        read_metadata(view),
                        [[part, [[clip, keys.get(clip)] for clip in clips]] for part, clips in parts.items()],
                    ]
                )
    known = sorted({clip for clips in parts.values() for clip in clips})
    return digest(facts, manifest.loc[known, ["label", "speaker"]].values.tolist())


def make_clips(
    clip_ids: Iterable[str], manifest: pd.DataFrame, classes: tuple[str, ...], modalities: dict[str, Modality]
) -> Clips:
    """The clips that have at least one of ``modalities``, in the order given. Raises MferError on a label outside ``classes``."""
    chosen = [clip for clip in clip_ids if any(clip in modality.values for modality in modalities.values())]
    rows = manifest.loc[chosen]
    unknown = sorted(set(rows.label) - set(classes))
    if unknown:
        raise MferError(
            f"labels {', '.join(unknown)} are not among the stage's classes: {', '.join(classes)}"
        )
    labels = torch.tensor([classes.index(label) for label in rows.label], dtype=torch.int64)
    values = {name: [modality.values.get(clip) for clip in chosen] for name, modality in modalities.items()}
    dims = {name: modality.dim for name, modality in modalities.items()}
    views = {
        name: [[view.get(clip) for clip in chosen] for view in modality.views]
        for name, modality in modalities.items()
        if modality.views
    }
    return Clips(tuple(chosen), tuple(rows.speaker), labels, values, dims, views)


def normalised(modality: Modality, how: str, manifest: pd.DataFrame) -> Modality:
    """The embeddings as an arm with this ``normalisation`` takes them: as they are ("none"), or every step less its speaker's mean and
    divided by its speaker's standard deviation ("speaker": over all clips of that speaker in ``manifest``, no label used).

    A view has moments of its own: in it the speaker is another one.
    """
    if how == "none":
        return modality
    values, views = dict(modality.values), [dict(view) for view in modality.views]
    for _, clips in manifest.groupby("speaker").clip_id:
        for found in (values, *views):
            if own := [clip for clip in clips if clip in found]:
                mean, std = moments([found[clip] for clip in own])
                found |= {clip: ((found[clip] - mean) / std).to(found[clip].dtype) for clip in own}
    return replace(modality, values=values, views=views)


def moments(values: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [D] over all steps of some clips, the latter at least 1e-6."""
    steps = torch.cat(values).double()
    return steps.mean(0).float(), steps.std(0, correction=0).clamp(min=1e-6).float()


def step_statistics(clips: Clips, modality: str) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [D] over all steps of the clips that have ``modality``."""
    values = [value for value in clips.modalities[modality] if value is not None]
    count = sum(len(value) for value in values)
    mean = sum(value.double().sum(0) for value in values) / count
    variance = sum(((value.double() - mean) ** 2).sum(0) for value in values) / count
    return mean.float(), variance.sqrt().float()
