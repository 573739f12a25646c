"""An encoder opened for the clips of a fold: it reads their frames or waveforms, embeds them, in new views
where the settings say so, and may learn with an arm.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Finetune
from mfer_core.cache.embeddings import PRECOMPUTED
from mfer_core.dataset.clips import Clips
from mfer_core.dataset.fold import Fold
from mfer_core.dataset.modality import ModalityEmbeddings
from mfer_core.dataset.steps import LazyClip
from mfer_core.encoders.checkpoint_pointer import source_of
from mfer_core.encoders.contract import Encoder
from mfer_core.media.extracted import Extracted, open_extracted
from mfer_core.models.finetuned import TRAINABLE_MODULES, TrainableEncoder, put_blocks
from mfer_core.models.store import Blocks


@dataclass
class ClipEncoder:
    """One modality's encoder and the extracted frames or waveforms that it reads, clip by clip."""

    modality: str
    encoder: Encoder
    extracted: Extracted
    settings: Finetune
    blocks: dict[str, Tensor]  # weights that stand in place of the checkpoint's
    base: dict  # the checkpoint's metadata
    speed: float = 0.0  # the chance that a view of a clip's sound plays faster or slower
    learning: TrainableEncoder | None = None
    # By clip_id; emptied when the encoder changes.
    embeddings: dict[str, Tensor] = field(default_factory=dict)

    def read(self, clip_id: str) -> np.ndarray:
        """Frames [T, H, W] or [T, H, W, 3] bytes, or a waveform [N]. Raises MferError for a clip that was not
        extracted.
        """
        try:
            if self.modality == "visual":
                return self.extracted.frames(clip_id).images
            return self.extracted.speech(clip_id, self.base["vad_min_clip_s"]).waveform
        except KeyError:
            raise MferError(
                f"{clip_id} has {self.modality} embeddings, but was not extracted: run extract and embed "
                "again"
            ) from None

    def embed(self, clip_id: str) -> Tensor:
        """[T, D] of one clip, alone, by the encoder as it is now, in fp32."""
        if clip_id not in self.embeddings:
            self.embeddings[clip_id] = self._embedded(self.read(clip_id))
        return self.embeddings[clip_id]

    def embed_clips(self, clips: Clips) -> Clips:
        """The clips with this modality embedded by the encoder as it is now."""
        values = [None if value is None else self.embed(clip) for clip, value in self._cached(clips)]
        return self._with(clips, values)

    def embed_modality(self, cached: ModalityEmbeddings) -> ModalityEmbeddings:
        """Every clip of ``cached`` embedded by the encoder as it is now."""
        values = {clip_id: self.embed(clip_id) for clip_id in cached.values}
        return replace(cached, values=values, metadata=self.metadata)

    def drawn_clips(self, clips: Clips) -> Clips:
        """The clips with this modality embedded in a new view whenever a batch of training needs them."""
        values = [
            None if value is None else LazyClip(len(value), partial(self._drawn, clip))
            for clip, value in self._cached(clips)
        ]
        return self._with(clips, values)

    def learn(self) -> TrainableEncoder:
        module = import_module(TRAINABLE_MODULES[self.modality])
        self.learning = module.Trainable(self.encoder, self.settings)
        return self.learning

    def learned(self) -> None:
        """Call it after training: the trained weights become part of ``blocks``."""
        assert self.learning is not None  # ``learn`` comes first
        self.blocks, self.embeddings = {**self.blocks, **self.learning.blocks()}, {}
        self.encoder.model.to(self.encoder.device).eval()

    def raw_clips(self, clips: Clips) -> Clips:
        """The clips with frames or waveforms in place of this modality's embeddings, read when a batch needs
        them.
        """
        values = [
            None if value is None else LazyClip(len(value), partial(self._prepared, clip))
            for clip, value in self._cached(clips)
        ]
        return self._with(clips, values)

    @property
    def metadata(self) -> dict:
        """The checkpoint's, with a hash of the blocks that are not its own, where there are such."""
        if not self.blocks:
            return self.base
        hashes = {
            name: sha256(value.contiguous().numpy().tobytes()).hexdigest()
            for name, value in self.blocks.items()
        }
        return {**self.base, "finetuned": digest(hashes)}

    def _cached(self, clips: Clips) -> Iterable[tuple[str, Tensor | LazyClip | None]]:
        return zip(clips.clip_ids, clips.modalities[self.modality], strict=True)

    def _with(self, clips: Clips, values: list) -> Clips:
        """``clips`` with ``values`` for this modality; its cached views are the checkpoint's, not this
        encoder's.
        """
        views = {name: copies for name, copies in clips.views.items() if name != self.modality}
        return replace(clips, modalities={**clips.modalities, self.modality: values}, views=views)

    def _prepared(self, clip_id: str, rng: np.random.Generator | None) -> Tensor:
        assert self.learning is not None  # ``learn`` comes first
        raw = self._view(clip_id, rng) if rng is not None and self.settings.augment else self.read(clip_id)
        return self.learning.prepare(raw, rng)

    def _drawn(self, clip_id: str, rng: np.random.Generator | None) -> Tensor:
        return self.embed(clip_id) if rng is None else self._embedded(self._view(clip_id, rng))

    def _view(self, clip_id: str, rng: np.random.Generator) -> np.ndarray:
        augment = import_module(TRAINABLE_MODULES[self.modality]).augment
        return augment(self.read(clip_id), rng, self.speed)

    def _embedded(self, raw: np.ndarray) -> Tensor:
        values = self.encoder.embed(list(raw)) if self.modality == "visual" else self.encoder.embed([raw])[0]
        return torch.from_numpy(values)


def open_encoder(
    data: Path,
    modality: str,
    corpora: Iterable[str],
    cached: dict,
    device: str,
    settings: Finetune,
    blocks: dict[str, Tensor],
) -> ClipEncoder:
    """The encoder of the ``cached`` embeddings (their metadata), with ``blocks`` in place of its own, over
    its extracted input.

    Raises MferError when the cache is of another encoder than the one here, or of none.
    """
    if "hash" not in cached or cached.get("kind") == PRECOMPUTED:
        raise MferError(
            f"the {modality} embeddings come from no encoder of this pipeline: set finetune.blocks to 0 "
            "and views to stored"
        )
    folder = DataPaths(Path(data)).encoder(modality)
    encoder = import_module(TRAINABLE_MODULES[modality]).load(source_of(folder), device, "fp32")
    if encoder.metadata["hash"] != cached["hash"]:
        raise MferError(
            f"the {modality} embeddings are of another {encoder.metadata['name']} than {folder.name} holds: "
            "run embed again"
        )
    put_blocks(encoder, blocks, cached)
    extracted = open_extracted(*(DataPaths(Path(data)).extract(corpus) for corpus in corpora))
    return ClipEncoder(modality, encoder, extracted, settings, blocks, cached)


def open_modality(
    fold: Fold,
    modality: str,
    device: str,
    settings: Finetune,
    blocks: dict[str, Tensor],
    draws: bool = False,
    speed: float = 0.0,
) -> tuple[ModalityEmbeddings, ClipEncoder | None]:
    """A modality's embeddings, and its encoder where that learns (``settings``), ``draws`` new views or has
    ``blocks`` that an earlier stage trained; ``speed``: see ClipEncoder.

    With such blocks the embeddings are computed anew, else they are the cached ones. Raises MferError as
    ``open_encoder`` does.
    """
    if not (blocks or settings.blocks or draws):
        return fold.modality(modality), None
    # The cached views are the checkpoint's: an encoder that is here augments its own input.
    cached = replace(fold.modality(modality), views=[])
    data, corpora = fold.paths.root, fold.corpora
    encoder = open_encoder(data, modality, corpora, cached.metadata, device, settings, blocks)
    encoder.speed = speed
    return encoder.embed_modality(cached) if blocks else cached, encoder


def embedded_by(encoder: Encoder, fold: Fold, modality: str) -> ModalityEmbeddings:
    """The fold's clips embedded anew by another encoder than the cached one's, clean, in fp32."""
    cached, extracts = fold.modality(modality), [fold.paths.extract(corpus) for corpus in fold.corpora]
    known = {clip for ids in fold.parts.values() for clip in ids if clip in cached.values}
    facts = {**cached.metadata, **encoder.metadata}
    reader = ClipEncoder(modality, encoder, open_extracted(*extracts), Finetune(), {}, facts)
    values = {clip: reader.embed(clip) for clip in sorted(known)}
    return ModalityEmbeddings(values, facts, cached.dim)


def embedded(clips: Clips, encoders: Iterable[ClipEncoder]) -> Clips:
    """The clips embedded by the encoders that learned; as they are where none did."""
    for encoder in learning_encoders(encoders):
        clips = encoder.embed_clips(clips)
    return clips


def blocks_of(encoders: Mapping[str, ClipEncoder]) -> Blocks:
    """What a model's folder keeps of its encoders."""
    return {name: encoder.blocks for name, encoder in encoders.items()}


def learning_encoders(encoders: Iterable[ClipEncoder]) -> list[ClipEncoder]:
    """The encoders of which blocks are trained with the model."""
    return [encoder for encoder in encoders if encoder.settings.blocks]
