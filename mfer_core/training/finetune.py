"""Encoders that are trained with their arms: where their input comes from, and what the clips' embeddings are afterwards."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest
from mfer_core.base.settings import Finetune, Train
from mfer_core.cache.embeddings import PRECOMPUTED
from mfer_core.cache.rows import Rows, clip_rows
from mfer_core.encoders.published import checkpoint_of
from mfer_core.media.read import frame_sequences, speeches
from mfer_core.models.arm import Arm
from mfer_core.models.finetuned import TRAINABLE, FineTuned, TrainableEncoder, put_blocks
from mfer_core.models.fusion import Fused
from mfer_core.models.store import Blocks
from mfer_core.training.clips import Clips, LazyClip
from mfer_core.training.fit import Group, fit
from mfer_core.training.inputs import Modality, load_modality
from mfer_core.training.loop import Progress, Run

if TYPE_CHECKING:
    from mfer_core.encoders.emotion2vec import Emotion2vecEncoder
    from mfer_core.encoders.vit import VitEncoder

Sources = list["Source | None"]
ENCODERS = {"visual": "pretrain_vit", "audio": "pretrain_emotion2vec"}  # stages, and their folders
EXTRACTED = {"visual": "frames", "audio": "waveforms"}


def _load_encoder(data: Path, modality: str, device: str) -> "VitEncoder | Emotion2vecEncoder":
    place = checkpoint_of(Path(data) / ENCODERS[modality])
    if modality == "visual":
        from mfer_core.encoders.vit import load_vit

        return load_vit(*place, device, "fp32")
    from mfer_core.encoders.emotion2vec import load_emotion2vec

    return load_emotion2vec(*place, device, "fp32")


@dataclass
class Source:
    """One modality's encoder and the extracted frames or waveforms that it reads, clip by clip."""

    modality: str
    encoder: "VitEncoder | Emotion2vecEncoder"
    rows: dict[str, Rows]
    settings: Finetune
    blocks: dict[str, Tensor]  # of the encoder: those that are not the checkpoint's
    base: dict  # the checkpoint's metadata
    learning: TrainableEncoder | None = None
    seen: dict[str, Tensor] = field(
        default_factory=dict
    )  # embeddings by clip_id, as long as the encoder stays as it is

    def read(self, clip_id: str) -> np.ndarray:
        """Frames [T, H, W] or [T, H, W, 3] bytes, or a waveform [N]. Raises MferError for a clip that was not extracted."""
        if clip_id not in self.rows:
            raise MferError(
                f"{clip_id} has {self.modality} embeddings, but {EXTRACTED[self.modality]} no more: run extract and embed again"
            )
        rows = self.rows[clip_id].read()
        if self.modality == "visual":
            return next(frame_sequences(rows)).images
        return next(speeches(rows, self.base["vad_min_clip_s"])).waveform

    def embed(self, clip_id: str) -> Tensor:
        """[T, D] of one clip, alone, by the encoder as it is now, in fp32."""
        if clip_id not in self.seen:
            raw = self.read(clip_id)
            values = (
                self.encoder.embed(list(raw)) if self.modality == "visual" else self.encoder.embed([raw])[0]
            )
            self.seen[clip_id] = torch.from_numpy(values)
        return self.seen[clip_id]

    def embed_clips(self, clips: Clips) -> Clips:
        """The clips with this modality as the encoder sees it now."""
        values = [None if value is None else self.embed(clip) for clip, value in self._own(clips)]
        return self._with(clips, values)

    def embed_modality(self, cached: Modality) -> Modality:
        """Every clip of ``cached`` as the encoder sees it now."""
        values = {clip_id: self.embed(clip_id) for clip_id in cached.values}
        return replace(cached, values=values, metadata=self.metadata)

    def learn(self) -> TrainableEncoder:
        self.learning = TRAINABLE[self.modality](self.encoder, self.settings)
        return self.learning

    def learned(self) -> None:
        """Call it after training: what was learned becomes part of ``blocks``."""
        self.blocks, self.seen = {**self.blocks, **self.learning.blocks()}, {}
        self.encoder.model.to(self.encoder.device).eval()

    def raw_clips(self, clips: Clips) -> Clips:
        """The clips with this modality as what the learning encoder takes, read when a batch needs it."""
        values = [
            None if value is None else LazyClip(len(value), partial(self._prepared, clip))
            for clip, value in self._own(clips)
        ]
        return self._with(clips, values)

    @property
    def metadata(self) -> dict:
        """The checkpoint's, with a hash of the blocks that are not its own."""
        hashes = {
            name: sha256(value.contiguous().numpy().tobytes()).hexdigest()
            for name, value in self.blocks.items()
        }
        return {**self.base, "finetuned": digest(hashes)}

    def _own(self, clips: Clips) -> Iterable[tuple[str, Tensor | None]]:
        return zip(clips.clip_ids, clips.modalities[self.modality], strict=True)

    def _with(self, clips: Clips, values: list) -> Clips:
        """``clips`` with ``values`` for this modality; its cached views are the checkpoint's, not this encoder's."""
        views = {name: several for name, several in clips.views.items() if name != self.modality}
        return replace(clips, modalities={**clips.modalities, self.modality: values}, views=views)

    def _prepared(self, clip_id: str, rng: np.random.Generator | None) -> Tensor:
        return self.learning.prepare(self.read(clip_id), rng)


def open_source(
    data: Path,
    modality: str,
    corpora: Iterable[str],
    cached: dict,
    device: str,
    settings: Finetune,
    blocks: dict[str, Tensor],
) -> Source:
    """The encoder of the ``cached`` embeddings (their metadata) with ``blocks`` in place of its own, and what it reads.

    Raises MferError when the cache is of another encoder than the one here, or of none.
    """
    if "hash" not in cached or cached.get("kind") == PRECOMPUTED:
        raise MferError(
            f"the {modality} embeddings come from no encoder of this pipeline: set finetune.blocks to 0"
        )
    encoder = _load_encoder(data, modality, device)
    if encoder.metadata["hash"] != cached["hash"]:
        raise MferError(
            f"the {modality} embeddings are of another {encoder.metadata['name']} than {ENCODERS[modality]} holds: run embed again"
        )
    put_blocks(encoder, blocks, cached)
    rows: dict[str, Rows] = {}
    for corpus in corpora:
        rows |= clip_rows(Path(data) / "extract" / EXTRACTED[modality] / corpus)
    return Source(modality, encoder, rows, settings, blocks, cached)


def open_modality(
    data: Path,
    modality: str,
    corpora: Iterable[str],
    device: str,
    settings: Finetune,
    blocks: dict[str, Tensor],
) -> tuple[Modality, Source | None]:
    """A modality's embeddings, and its encoder where that learns (``settings``) or has ``blocks`` that an earlier stage trained.

    With such blocks the embeddings are computed anew, else they are the cached ones. Raises MferError as ``open_source`` does.
    """
    if not blocks and not settings.blocks:
        return load_modality(data, modality, corpora, views=True), None
    cached = load_modality(
        data, modality, corpora
    )  # its augmented views are the checkpoint's: an encoder that learns makes its own
    source = open_source(data, modality, corpora, cached.metadata, device, settings, blocks)
    return source.embed_modality(cached) if blocks else cached, source


def fit_with_encoders(
    model: Arm | Fused,
    groups: list[Group],
    clips: dict[str, Clips],
    classes: int,
    hyper: Train,
    run: Run,
    sources: Sources,
    rates: Sequence[float] = (),
) -> Progress:
    """``fit``, the encoders that learn with it; what they learned is in ``sources`` afterwards (see ``embedded``)."""
    train, valid = clips["train"], clips["valid"]
    learning = _learning(sources)
    if not learning:
        return fit(model, groups, train, valid, classes, hyper, run, rates)
    whole = FineTuned(model, {source.modality: source.learn() for source in learning})
    for source in learning:
        train, valid = source.raw_clips(train), source.raw_clips(valid)
        groups = [
            *groups,
            {"params": list(source.learning.parameters()), "lr": source.settings.learning_rate},
        ]
    progress = fit(whole, groups, train, valid, classes, hyper, run, rates)
    for source in learning:
        source.learned()
    return progress


def embedded(clips: Clips, sources: Sources) -> Clips:
    """The clips as the encoders that learned see them now; as they are without any."""
    for source in _learning(sources):
        clips = source.embed_clips(clips)
    return clips


def blocks_of(sources: Sources) -> Blocks:
    """What a model's folder keeps of its encoders."""
    return {source.modality: source.blocks for source in sources if source}


def _learning(sources: Sources) -> list[Source]:
    return [source for source in sources if source and source.settings.blocks]
