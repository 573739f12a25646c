"""One fold's models on the transfer corpus: decisions of every arm, zero-shot and after a few clips per
class.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mfer_core.base.modalities import MODALITIES
from mfer_core.base.paths import DataPaths, FoldName
from mfer_core.base.settings import Finetune, Transfer
from mfer_core.dataset.clip_encoder import ClipEncoder, open_encoder
from mfer_core.dataset.clips import Clips
from mfer_core.evaluation.few_shot import adapt, draw_supports
from mfer_core.evaluation.robust_fusion import estimated_accuracy, in_domain, robust_fusion
from mfer_core.evaluation.target_features import NORMALISATIONS, Features, Models, features, shift
from mfer_core.models.arm import Arm
from mfer_core.models.fusion import Fused
from mfer_core.models.store import load_trained


@dataclass(frozen=True)
class Outcome:
    """Probabilities [N, C] of some clips by one arm in one setting (``zero-shot ...`` or ``<k>-shot``)."""

    arm: str
    setting: str
    draw: int
    clips: np.ndarray  # indices [N]
    probabilities: np.ndarray
    speaker_disjoint: bool = True


def load_models(
    data: Path,
    name: FoldName,
    arms: Sequence[str],
    corpora: list[str],
    selection: bool = False,
) -> Models:
    """The fold's models with one seed, and the encoders that were trained with them, which read clips of
    ``corpora``.

    ``selection``: those that have not seen the validation clips.
    """
    models: dict[str, Arm | Fused] = {}
    clip_encoders: dict[str, list[ClipEncoder]] = {}
    opened: dict[tuple[str, str], ClipEncoder] = {}
    for arm in arms:
        folder = DataPaths(data).fold(f"train_{arm}", *name)
        models[arm], config, blocks = load_trained(folder, selection)
        for modality, weights in blocks.items():
            trained_on = config["encoders"][modality]
            # Stage 3 keeps the encoder of stages 1 and 2b unless its own training goes on with the encoder.
            key = (modality, trained_on["finetuned"])
            if key not in opened:
                opened[key] = open_encoder(data, modality, corpora, trained_on, "auto", Finetune(), weights)
            clip_encoders.setdefault(arm, []).append(opened[key])
    return Models(models, clip_encoders)


def usable(clips: Clips, arm: str) -> np.ndarray:
    """Indices of the clips that an arm can see: the fused one and the robust fusion need either modality."""
    names = list(clips.modalities)
    columns = [names.index(name) for name in ((arm,) if arm in MODALITIES else MODALITIES) if name in names]
    return np.flatnonzero(clips.present()[:, columns].any(1))


class FoldTransfer:
    """Everything about one fold that the settings share. Arms that can see no clip of the target are left
    out.

    ``source``: clips that the ``selection`` models have not seen; the models' accuracy on the target is
    estimated from theirs.
    """

    def __init__(self, models: Models, selection: Models, source: Clips, target: Clips):
        self.models = replace(
            models, by_arm={arm: model for arm, model in models.by_arm.items() if len(usable(target, arm))}
        )
        self.source, self.target = source, target
        self.single = [arm for arm in MODALITIES if arm in self.models.by_arm]
        self._source = {arm: features(selection, arm, source, "none").logits() for arm in self.single}

    def logits(self, normalisation: str) -> dict[str, Tensor]:
        """arm -> logits [N, C] of the target under one normalisation."""
        return {
            arm: features(self.models, arm, self.target, normalisation).logits() for arm in self.models.by_arm
        }

    def outcomes(
        self, logits: dict[str, Tensor], setting: str, draw: int = 0, query: np.ndarray | None = None
    ) -> Iterator[Outcome]:
        """The arms' decisions on the ``query`` clips (default: all), the robust fusion's among them."""
        decisions = {arm: torch.softmax(values.double(), 1) for arm, values in logits.items()}
        if len(self.single) == 2:
            decisions["robust"] = self.robust(logits)
        for arm, probabilities in decisions.items():
            clips = usable(self.target, arm)
            clips = clips if query is None else np.intersect1d(clips, query)
            if len(clips):
                yield Outcome(arm, setting, draw, clips, probabilities[clips].numpy())

    def accuracies(self, logits: dict[str, Tensor]) -> list[float]:
        """Label-free estimates of the single arms' accuracy on the target."""
        seen = {arm: torch.from_numpy(usable(self.target, arm)) for arm in self.single}
        return [
            estimated_accuracy(*self._validation(arm), logits[arm][seen[arm]].double()) for arm in self.single
        ]

    def _validation(self, arm: str) -> tuple[Tensor, Tensor]:
        """Logits and labels of the validation clips that the arm can see."""
        known = torch.from_numpy(usable(self.source, arm))
        return self._source[arm][known].double(), self.source.labels[known]

    def robust(self, logits: dict[str, Tensor]) -> Tensor:
        """Probabilities [N, C] of the fused model where the target is like the validation clips, else of the
        robust fusion of the single arms.
        """
        estimated = self.accuracies(logits)
        validated = [
            (values.argmax(1) == labels).double().mean().item()
            for values, labels in map(self._validation, self.single)
        ]
        if "fused" in logits and in_domain(estimated, validated):
            return torch.softmax(logits["fused"].double(), 1)
        names = list(self.target.modalities)
        present = torch.from_numpy(self.target.present()[:, [names.index(arm) for arm in self.single]])
        return robust_fusion([logits[arm] for arm in self.single], estimated, present)


def zero_shot_outcomes(fold: FoldTransfer) -> Iterator[Outcome]:
    """Every arm under every normalisation."""
    for normalisation in NORMALISATIONS:
        yield from fold.outcomes(fold.logits(normalisation), f"zero-shot, {normalisation} normalisation")


def few_shot_outcomes(fold: FoldTransfer, settings: Transfer, seed: int) -> Iterator[Outcome]:
    """Every arm after adaptation to each number of shots, several draws each; 0 shots is the zero-shot
    result.
    """
    read = {
        arm: features(fold.models, arm, fold.target, settings.normalisation) for arm in fold.models.by_arm
    }
    labels, speakers = fold.target.labels.numpy(), np.array(fold.target.speakers)
    if 0 in settings.shots:
        yield from fold.outcomes({arm: features_of.logits() for arm, features_of in read.items()}, "0-shot")
    shots = [count for count in settings.shots if count]
    for draw in range(settings.draws if shots else 0):
        supports, query, disjoint = draw_supports(labels, speakers, shots, draw, seed)
        for count, support in supports.items():
            for outcome in fold.outcomes(_adapted(fold, read, support), f"{count}-shot", draw, query):
                yield replace(outcome, speaker_disjoint=disjoint)


def _adapted(fold: FoldTransfer, read: dict[str, Features], support: np.ndarray) -> dict[str, Tensor]:
    """arm -> logits after adaptation to what the arm can see of the support; unchanged where that is
    nothing.
    """
    result = {}
    for arm, features_of in read.items():
        seen = np.intersect1d(support, usable(fold.target, arm))
        result[arm] = (
            adapt(features_of, fold.target.labels, torch.from_numpy(seen))
            if len(seen)
            else features_of.logits()
        )
    return result


def shifts(fold: FoldTransfer) -> dict[str, dict[str, float]]:
    """Per single arm: how far the target lies from the training data, and the accuracy guessed without
    labels.
    """
    logits = {arm: features(fold.models, arm, fold.target, "none").logits() for arm in fold.single}
    guesses = dict(zip(fold.single, fold.accuracies(logits), strict=True))
    result = {}
    for name in fold.single:
        arm = fold.models.by_arm[name]
        assert isinstance(arm, Arm)
        result[name] = shift(fold.models.seen_by(name, fold.target), arm)
        result[name]["estimated_accuracy"] = guesses[name]
    return result
