"""The sections of params.yaml that the training stages read."""

from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from mfer_core.base.settings.sections import Section
from mfer_core.base.settings.types import Device, Precision


class Finetune(Section):
    """Training of an encoder's last blocks together with its arm, from the extracted frames or waveforms."""

    blocks: int = Field(default=0, ge=-1)
    """Blocks that learn; 0: none, the stored embeddings are used; -1: all behind the convolutional front
    end."""
    learning_rate: float = Field(default=1e-5, gt=0)
    """Of these blocks."""
    augment: bool = True
    """Whether faces and waveforms are changed at random, each time anew."""
    crop_s: float = Field(default=2.5, ge=0)
    """Seconds of a clip's sound that one step of training sees; 0: all of it."""
    checkpointing: bool = False
    """Whether the blocks are computed again in the backward pass: less memory, more time."""


class Train(Section):
    """Hyperparameters of one training stage (reference method, 'Training, three stages')."""

    epochs: int = Field(ge=1)
    """Passes over the training clips."""
    batch_size: PositiveInt = 16
    """Clips per batch."""
    batches: Literal["like_length", "random"] = "like_length"
    """Which clips share a batch: those of like length, which halves the padding, or any."""
    views: Literal["stored", "each_epoch"] = "stored"
    """In which augmented views clips are trained on: in those that embed.views stored, or in new ones every
    epoch, as in the reference, for which the encoders run again; one that learns does so anyway."""
    accumulation: PositiveInt = 1
    """Batches per optimiser step."""
    learning_rate: float = Field(gt=0)
    """Of the optimiser, at the start."""
    optimiser: Literal["adam", "adamw"] = "adamw"
    """Which optimiser."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Of the optimiser."""
    schedule: Literal["constant", "plateau", "exponential", "step"] = "plateau"
    """How the learning rate falls."""
    schedule_factor: float = Field(default=0.6, gt=0, le=1)
    """What the learning rate is multiplied by when it falls."""
    schedule_step: PositiveInt = 20
    """Of schedule step: epochs to where the rate falls (reference's code, stage 2a: 20, then 10 more)."""
    schedule_patience: NonNegativeInt = 1
    """Of schedule plateau: epochs without a lower validation loss before the rate falls."""
    schedule_threshold: float = Field(default=1e-3, ge=0)
    """Of schedule plateau: relative change that counts as lower."""
    select: Literal["uar", "accuracy", "loss"] = "loss"
    """What picks the checkpoint, on the validation part."""
    patience: NonNegativeInt
    """Epochs without a better checkpoint before stopping; 0 never stops."""
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Share of the target that is spread over all classes."""
    class_weight_power: float = Field(default=0.3, ge=0)
    """A class weighs 1 / (count * classes) ** power in the loss."""
    sampler_power: float = Field(default=0.5, ge=0)
    """A clip is drawn in proportion to 1 / (its class's count * classes) ** power; 0 shuffles."""
    modality_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Of stage 3: chance that one arm is hidden from a clip."""
    device: Device = "cpu"
    """auto, cpu, cuda (of several GPUs, folds take turns) or cuda:N; compact models are fastest on the
    CPU."""
    precision: Precision = "fp32"
    """bf16 is for GPUs."""
    gradient_clip: float = Field(default=0.0, ge=0)
    """Largest norm of a step's gradient; 0: any."""


class TrainArm(Train):
    """Hyperparameters that stages 1 and 2a share."""

    finetune: Finetune = Finetune()
    """Training of the encoder's last blocks."""
    hidden_size: PositiveInt
    """Width of the GRU."""
    layers: PositiveInt
    """Layers of the GRU."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the GRU's output that is hidden from the classifier in training."""
    standardise: bool = True
    """Whether the GRU sees embeddings less the training clips' mean, in their deviations; the reference's are
    raw."""
    pool: PositiveInt = 1
    """Consecutive steps averaged before the GRU (audio steps are 20 ms); the reference keeps every step."""
    noise: float = Field(default=0.3, ge=0)
    """Augmentation: added to every step, in standard deviations of the embeddings."""
    jitter: float = Field(default=0.5, ge=0)
    """Augmentation: added to all steps of a clip alike, as another person's voice or face would."""
    readout: Literal["last", "mean", "statistics"] = "last"
    """Which of the GRU's states are classified; the reference takes the last."""
    normalisation: Literal["none", "speaker"] = "none"
    """speaker: embeddings by each speaker's own moments, without labels; needs their other clips."""

    @model_validator(mode="after")
    def _deviations_are_known(self) -> Self:
        if not self.standardise and (self.noise or self.jitter):
            raise ValueError(
                "noise and jitter are counted in deviations of standardised embeddings: set both to 0, or "
                "standardise to true"
            )
        return self


class TrainVisual(TrainArm):
    """Stage 1."""

    probe: bool = False
    """Whether logistic regressions on statistics of the embeddings decide with the GRU; the validation part
    sets the shares of both."""


class PretrainAudio(TrainArm):
    """Stage 2a."""

    cross_corpus_epochs: NonNegativeInt = 0
    """Epochs of each model that trains on all pretraining corpora but one; 0 leaves that matrix out."""
    leaky_folds: Literal[0, 5] = 0
    """5: stage 2a is also tested as in the reference's report, on shuffled clips of people that it was
    trained on, by five more models that nothing else uses; 0: it is not."""


class TrainAudio(Train):
    """Stage 2b."""

    finetune: Finetune = Finetune()
    """Training of the encoder's last blocks."""
    start: Literal["pretrain_audio", "scratch"] = "pretrain_audio"
    """Where the GRU comes from."""
    probe: bool = False
    """Whether logistic regressions on statistics of the embeddings decide with the GRU; the validation part
    sets the shares of both."""
    gru_learning_rate: float = Field(gt=0)
    """Of the GRU taken over from stage 2a."""


class TrainFused(Train):
    """Stage 3."""

    fusion: Literal["linear", "product", "gated", "cross_attention"] = "linear"
    """How the arms become one decision. linear: one layer over both states, as in the report; product: of
    both arms' probabilities, each to the power of its share, with nothing to train; gated: the product with a
    gate per clip; cross_attention: the product with a correction from steps that attend to the other
    modality's."""
    start: Literal["sum", "shares"] = "sum"
    """What the classifier starts from. sum: both arms' classifiers side by side; shares: each times the share
    that suits the validation part best, and this start is kept where training does not better it beyond
    chance."""
    trainable: Literal["classifier", "all"]
    """What learns: what fusion puts over the arms, or the arms too; the reference's report: all; its code:
    classifier."""
    finetune_visual: Finetune = Finetune()
    """Training of the face encoder's last blocks."""
    finetune_audio: Finetune = Finetune()
    """Training of the speech encoder's last blocks."""

    def finetune_of(self, modality: str) -> Finetune:
        return {"visual": self.finetune_visual, "audio": self.finetune_audio}[modality]

    @model_validator(mode="after")
    def _encoders_learn_with_the_arms(self) -> Self:
        if self.trainable != "all" and (self.finetune_visual.blocks or self.finetune_audio.blocks):
            raise ValueError(
                "finetune_visual and finetune_audio train encoders through the arms: set trainable to all"
            )
        if self.trainable != "all" and self.views == "each_epoch":
            raise ValueError(
                "views: each_epoch: what a classifier reads of the arms is computed once: set views to "
                "stored, or trainable to all"
            )
        return self
