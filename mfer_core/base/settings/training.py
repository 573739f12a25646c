"""The sections of params.yaml that the training stages read."""

from typing import Literal

from pydantic import Field, model_validator

from mfer_core.base.settings.sections import Section


class Finetune(Section):
    """Training of an encoder's last blocks together with its arm, from the extracted frames or waveforms."""

    blocks: int = Field(
        default=0, ge=-1
    )  # so many; 0: none, the cached embeddings are used; -1: all behind the convolutional front end
    learning_rate: float = Field(default=1e-5, gt=0)  # of these blocks
    augment: bool = True  # change faces and waveforms at random, each time anew
    crop_s: float = Field(
        default=2.5, ge=0
    )  # seconds of a clip's sound that one step of training sees; 0: all of it
    checkpointing: bool = False  # compute the blocks again in the backward pass: less memory, more time


class Train(Section):
    """Hyperparameters of one training stage (reference method, 'Training, three stages')."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    accumulation: int = Field(ge=1)  # batches per optimiser step
    learning_rate: float = Field(gt=0)
    optimiser: Literal["adam", "adamw"]
    weight_decay: float = Field(ge=0)
    schedule: Literal["constant", "plateau", "exponential", "step"]
    schedule_factor: float = Field(gt=0, le=1)
    schedule_step: int = Field(
        default=20, ge=1
    )  # of "step": epochs to where the rate falls (reference's code, stage 2a: 20, then 10 more)
    schedule_patience: int = Field(
        default=1, ge=0
    )  # of "plateau": epochs without a lower validation loss before the rate falls
    schedule_threshold: float = Field(
        default=1e-3, ge=0
    )  # of "plateau": relative change that counts as lower
    select: Literal["uar", "accuracy", "loss"] = "uar"  # what picks the checkpoint, on the validation part
    patience: int = Field(ge=0)  # epochs without a better checkpoint before stopping; 0 never stops
    label_smoothing: float = Field(ge=0, lt=1)
    class_weight_power: float = Field(ge=0)  # loss weight ~ 1 / (count * classes) ** power
    sampler_power: float = Field(ge=0)  # sampling weight ~ 1 / (count * classes) ** power; 0 shuffles
    modality_dropout: float = Field(
        default=0.0, ge=0, lt=1
    )  # stage 3: chance that one arm is hidden from a clip
    device: str = "cpu"  # "auto", "cpu", "cuda" (of several GPUs, folds take turns), "cuda:0"; compact models are fastest on the CPU
    precision: Literal["fp32", "bf16"] = "fp32"
    gradient_clip: float = Field(default=0.0, ge=0)  # largest norm of a step's gradient; 0: any


class TrainArm(Train):
    finetune: Finetune = Finetune()
    hidden_size: int
    layers: int
    dropout: float = Field(ge=0, lt=1)
    pool: int = Field(
        default=1, ge=1
    )  # consecutive steps averaged before the GRU; the reference keeps every step
    noise: float = Field(
        default=0.0, ge=0
    )  # augmentation: added to every step, in standard deviations of the embeddings
    jitter: float = Field(
        default=0.0, ge=0
    )  # augmentation: added to all steps of a clip alike, as another person's voice or face would
    readout: Literal["last", "mean", "statistics"] = (
        "last"  # what of the GRU's states is classified; the reference takes the last
    )
    normalisation: Literal["none", "speaker"] = (
        "none"  # "speaker": by each speaker's own moments, without labels; needs their other clips
    )


class PretrainAudio(TrainArm):
    cross_corpus_epochs: int = Field(
        default=0, ge=0
    )  # epochs of each model that trains on all corpora but one; 0 leaves the matrix out


class TrainAudio(Train):
    finetune: Finetune = Finetune()
    start: Literal["pretrain_audio", "scratch"] = "pretrain_audio"  # where the GRU comes from
    gru_learning_rate: float = Field(gt=0)  # of the GRU taken over from stage 2a


class TrainFused(Train):
    trainable: Literal["classifier", "all"]  # report: all; code: classifier
    finetune_visual: Finetune = Finetune()
    finetune_audio: Finetune = Finetune()

    def finetune_of(self, modality: str) -> Finetune:
        return {"visual": self.finetune_visual, "audio": self.finetune_audio}[modality]

    @model_validator(mode="after")
    def _encoders_learn_with_the_arms(self):
        if self.trainable != "all" and (self.finetune_visual.blocks or self.finetune_audio.blocks):
            raise ValueError(
                "finetune_visual and finetune_audio train encoders through the arms: set trainable to all"
            )
        return self
