"""A fold's models applied to a corpus they were not trained on, with or without unsupervised
normalisation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mfer_core.base.modalities import MODALITIES
from mfer_core.dataset.clip_encoder import ClipEncoder
from mfer_core.dataset.clips import Clips, in_order
from mfer_core.dataset.logits import logits_of
from mfer_core.dataset.steps import in_memory, moments
from mfer_core.models.arm import Arm
from mfer_core.models.fusion import Fused, LinearHead

NORMALISATIONS = ("none", "corpus", "speaker")
BATCH = 64


def normalise(clips: Clips, arm: Arm, normalisation: str) -> Clips:
    """The clips' embeddings of ``arm.config.modality`` moved and scaled, without labels, to the arm's
    training moments.

    ``normalisation``: "none"; "corpus", with the moments of all clips; or "speaker", with each speaker's own.
    """
    if normalisation == "none":  # An arm that was trained on normalised steps takes no others.
        normalisation = arm.config.normalisation
    if normalisation == "none":
        return clips
    name = arm.config.modality
    groups = clips.speakers if normalisation == "speaker" else ("all",) * len(clips)
    scaled = [in_memory(value) for value in clips.modalities[name]]
    for group in sorted(set(groups)):
        members = {i: steps for i, steps in enumerate(scaled) if groups[i] == group and steps is not None}
        if members:
            mean, std = moments(list(members.values()))
            for i, steps in members.items():
                scaled[i] = (steps - mean) / std / arm.scale + arm.mean
    return Clips(clips.clip_ids, clips.speakers, clips.labels, {**clips.modalities, name: scaled}, clips.dims)


def shift(clips: Clips, arm: Arm) -> dict[str, float]:
    """How far a corpus lies from what the arm was trained on, in the arm's standard deviations: of the mean,
    and the ratio of spreads.
    """
    mean, std = moments(clips.modalities[arm.config.modality])
    moved = ((mean - arm.mean) * arm.scale).double().square().mean().sqrt().item()
    return {"mean_shift": moved, "spread_ratio": (std * arm.scale).double().median().item()}


def hidden(arm: Arm, clips: Clips) -> Tensor:
    """Last hidden states [N, H]; zeros for a clip without the modality."""
    only = Clips(
        clips.clip_ids,
        clips.speakers,
        clips.labels,
        {arm.config.modality: clips.modalities[arm.config.modality]},
        clips.dims,
    )
    rows: dict[int, Tensor] = {}
    with torch.no_grad():
        for indices, ((values, lengths), _) in in_order(only, BATCH):
            rows |= dict(zip(indices, arm.encode(values, lengths), strict=True))
    return torch.stack([rows[i] for i in range(len(clips))])


@dataclass(frozen=True)
class Models:
    """One fold's trained models by arm."""

    by_arm: Mapping[str, Arm | Fused]
    # arm -> the encoders that were trained with it
    clip_encoders: Mapping[str, list[ClipEncoder]] = field(default_factory=dict)

    def seen_by(self, arm: str, clips: Clips) -> Clips:
        """The clips embedded by the encoders that were trained with the arm; the cached embeddings without
        such encoders.
        """
        for encoder in self.clip_encoders.get(arm, []):
            clips = encoder.embed_clips(clips)
        return clips

    def encoder(self, arm: str, modality: str) -> Arm:
        """The GRU that ``arm`` runs over ``modality``: stage 3 may have moved the fused model's own."""
        model = self.by_arm[arm]
        return getattr(model, modality) if isinstance(model, Fused) else model


@dataclass(frozen=True)
class Features:
    """The inputs of an arm's last linear layer, and that layer: logits are ``inputs @ weight.T + bias``."""

    inputs: Tensor  # [N, H]
    weight: Tensor  # [C, H]
    bias: Tensor  # [C]

    def logits(self) -> Tensor:
        return self.inputs @ self.weight.T + self.bias  # [N, C]


def features(models: Models, arm: str, clips: Clips, normalisation: str) -> Features:
    """The hidden states of ``clips`` under one arm, the modalities normalised as ``normalisation`` says; of a
    fusion whose last layer is not linear in them its logits, which a layer that begins as the identity may
    move (matrix scaling, Guo et al. 2017).
    """
    model, clips = models.by_arm[arm], models.seen_by(arm, clips)
    names: tuple[str, ...] = MODALITIES
    if not isinstance(model, Fused):
        names, linear = (model.config.modality,), model.classifier
    elif isinstance(model.head, LinearHead):
        linear = model.head.classifier
    else:
        for side in (model.visual, model.audio):
            clips = normalise(clips, side, normalisation)
        classes = len(model.classes)
        return Features(logits_of(model, clips), torch.eye(classes), torch.zeros(classes))
    states = []
    for name in names:
        encoder = models.encoder(arm, name)
        states.append(hidden(encoder, normalise(clips, encoder, normalisation)))
    return Features(torch.cat(states, 1), linear.weight.detach(), linear.bias.detach())
