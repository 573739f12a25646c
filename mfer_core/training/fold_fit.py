"""A stage of the method on one fold: what its model starts from, and one fit of it."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mfer_core.base.files import digest
from mfer_core.base.settings import Finetune, Settings, Train, TrainAudio, TrainFused, TrainVisual
from mfer_core.cache.code import code_digest
from mfer_core.dataset.clip_encoder import ClipEncoder, embedded, open_modality
from mfer_core.dataset.clips import Clips
from mfer_core.dataset.fold import Fold
from mfer_core.dataset.modality import ModalityEmbeddings, normalised
from mfer_core.dataset.steps import moments
from mfer_core.models.arm import Arm
from mfer_core.models.finetuned import TRAINABLE_MODULES
from mfer_core.models.fusion import Fused
from mfer_core.models.store import Blocks
from mfer_core.protocol.protocols import protocol as rules
from mfer_core.training.fit import Group, fit, fit_with_encoders, head_inputs, logits_of, validate
from mfer_core.training.loop import Progress, Run, seed_of
from mfer_core.training.stacking import Stacked, beyond_chance, share_out, with_probe


@dataclass(frozen=True)
class Choice:
    """What validation parts decided, and a fit without one takes over."""

    rates: tuple[float, ...]  # the learning rate of each epoch that is trained
    stacked: Stacked | None = None  # where the settings put several models together


class FoldStage(ABC):
    """A stage of the method on one fold: what its model starts from."""

    arm: str
    modalities: tuple[str, ...]
    section: Train  # the stage's section of the settings

    def __init__(self, fold: Fold, settings: Settings, seed: int):
        self.fold, self.settings, self.seed = fold, settings, seed
        self.name = f"train_{self.arm}"
        self.inputs = fold.digest(self.modalities)

    @abstractmethod
    def shaped_by(self) -> list:
        """What the key covers beside the fold, the code and ``section``."""

    @abstractmethod
    def start(
        self, modalities: dict[str, ModalityEmbeddings], seed: int, selection: bool
    ) -> tuple[Arm | Fused, list[Group]]:
        """The model before its first step, and its learning rates.

        ``selection``: from parents that have not seen the validation clips, where there are such.
        """

    @abstractmethod
    def finetune_of(self, modality: str) -> Finetune:
        """How the encoder of ``modality`` learns with the model."""

    def blocks(self, selection: bool) -> Blocks:
        """Blocks of the encoders that an earlier stage trained."""
        return {}

    def run(self, choice: Choice | None = None) -> Run:
        """The training run; with the ``choice`` that it takes over from others.

        Its key covers an encoder's code only where the encoder learns, has learned or draws views.
        """
        fold = self.fold
        names = [
            name
            for name in self.modalities
            if self.draws or self.finetune_of(name).blocks or self.blocks(False).get(name)
        ]
        code = [
            code_digest(module)
            for module in (type(self).__module__, *(TRAINABLE_MODULES[name] for name in names))
        ]
        shaped_by = [self.refit, self.section.model_dump(), self.shaped_by(), code]
        taken = asdict(choice) if choice else None
        key = digest(self.name, fold.protocol, fold.number, self.seed, self.inputs, shaped_by, taken)
        seed = seed_of(self.seed, self.name, fold.protocol, fold.number)
        name = f"{self.name} {fold.name}, seed {self.seed}"
        return Run(fold.model_folder(self.name, self.seed), key, seed, name, fold.number or 0)

    @property
    def draws(self) -> bool:
        """Whether clips are trained on in new views every epoch."""
        return self.section.views == "each_epoch"

    @property
    def refit(self) -> bool:
        """Whether a fresh model is trained on all speakers: the settings say so, and the epoch was chosen
        neither on the test fold nor on published actors.
        """
        return self.settings.folds.refit and rules(self.fold.protocol).inner


@dataclass(frozen=True)
class Fitted:
    """A model after training, its clips by part, and the encoders that were opened for it."""

    model: Arm | Fused
    clips: dict[str, Clips]
    encoders: dict[str, ClipEncoder]
    metadata: dict[str, dict]  # of the encoder behind each modality
    progress: Progress
    stacked: Stacked | None  # where the settings put several models together

    @property
    def choice(self) -> Choice:
        return Choice(tuple(self.progress.rates), self.stacked)

    def part(self, name: str) -> Clips:
        """A part's clips as the model sees them."""
        return embedded(self.clips[name], self.encoders.values())


def fit_once(stage: FoldStage, fold: Fold, run: Run, choice: Choice | None = None) -> Fitted:
    """Train the stage's model on ``fold``. What earlier fits chose on validation parts is taken over, and
    the validation part is not looked at.
    """
    selection, device = choice is None, run.device(stage.section.device)
    modalities: dict[str, ModalityEmbeddings] = {}
    encoders: dict[str, ClipEncoder] = {}
    blocks = stage.blocks(selection)
    for name in stage.modalities:
        finetune = stage.finetune_of(name)
        modalities[name], encoder = open_modality(
            fold, name, str(device), finetune, blocks.get(name, {}), stage.draws
        )
        encoders |= {name: encoder} if encoder else {}
    model, groups = stage.start(modalities, run.seed, selection)
    arms = {"visual": model.visual, "audio": model.audio} if isinstance(model, Fused) else {stage.arm: model}
    inputs = {
        name: normalised(modality, arms[name].config.normalisation, fold.manifest)
        for name, modality in modalities.items()
    }
    clips, decided = fold.clips(inputs), choice.stacked if choice else None
    job = Job(stage, clips, run, encoders, choice.rates if choice else None)
    if isinstance(model, Fused):
        progress, stacked = job.fit_fused(model, groups, decided)
    else:
        model, progress, stacked = job.fit_arm(model, groups, decided)
    metadata = {name: (encoders.get(name) or modalities[name]).metadata for name in modalities}
    return Fitted(model, clips, encoders, metadata, progress, stacked)


@dataclass(frozen=True)
class Job:
    """One fit of a stage's model: on which clips, and with which encoders that learn."""

    stage: FoldStage
    clips: dict[str, Clips]
    run: Run
    encoders: dict[str, ClipEncoder]
    rates: Sequence[float] | None  # learning rates that an earlier fit chose

    def part(self, name: str) -> Clips:
        """A part's clips, embedded by the encoders as they are now."""
        return embedded(self.clips[name], self.encoders.values())

    def fit_arm(
        self, arm: Arm, groups: list[Group], decided: Stacked | None
    ) -> tuple[Arm, Progress, Stacked | None]:
        section = self.stage.section
        assert isinstance(section, TrainVisual | TrainAudio)  # the stages of a single arm
        arm.standardise(*moments(self.clips["train"].modalities[self.stage.arm]))
        progress = self._fit_whole(arm, groups)
        if not section.probe:
            return arm, progress, None
        wide, stacked = with_probe(arm, self.part("train"), self.part("valid"), decided)
        return wide, progress, stacked

    def fit_fused(
        self, fused: Fused, groups: list[Group], decided: Stacked | None
    ) -> tuple[Progress, Stacked | None]:
        section, stacked = self.stage.section, None
        assert isinstance(section, TrainFused)  # the stage of both arms
        shares = section.start == "shares"
        if shares:
            stacked = share_out(fused, head_inputs(fused, self.part("valid")), decided)
        if section.trainable == "all":
            return self._fit_whole(fused, groups, shares), stacked
        # Nothing below the head changes, so what it reads of the arms is computed once.
        train, valid = (head_inputs(fused, self.part(name)) for name in ("train", "valid"))
        if not groups[0]["params"]:  # The product has nothing to learn.
            row = {"epoch": 0, "train_loss": validate(fused.head, train)["valid_loss"], "lr": 0.0}
            row |= validate(fused.head, valid) if self.rates is None else {}
            return Progress([row], {}, 0), stacked
        start, classes = copy.deepcopy(fused.head), len(self.stage.fold.classes)
        progress = fit(fused.head, groups, train, valid, classes, section, self.run, self.rates, shares)
        if shares and self.rates is None:
            before, after = logits_of(start, valid), logits_of(fused.head, valid)
            if not beyond_chance(before, after, valid.labels):
                fused.head.load_state_dict(start.state_dict())
                progress.best_epoch = 0
        return progress, stacked

    def _fit_whole(self, model: Arm | Fused, groups: list[Group], keeps_start: bool = False) -> Progress:
        return fit_with_encoders(
            model, groups, self.clips, len(self.stage.fold.classes), self.stage.section, self.run,
            self.encoders, self.rates, keeps_start,
        )  # fmt: skip
