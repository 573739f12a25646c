"""The sections of params.yaml that choose, train and run the encoders."""

from typing import Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from mfer_core.base.settings.sections import Section
from mfer_core.base.settings.types import Device, EmbedPrecision, Precision, Text, Unique


class Pretrain(Section):
    """An encoder: a published one, or a compact one trained by the pipeline."""

    checkpoint: Text | None
    """A published encoder: hub id or folder; empty trains the compact one that the other settings
    describe."""
    revision: Text | None = None
    """Commit of the published checkpoint; empty takes the newest."""
    hash: Text | None = None
    """Of its weights and configuration, as `mfer lock-encoders` writes it; others are refused. Empty: any."""
    hidden_size: PositiveInt
    """Width of the compact encoder."""
    layers: PositiveInt
    """Transformer blocks of the compact encoder."""
    heads: PositiveInt = 4
    """Attention heads; they divide hidden_size."""
    epochs: int = Field(ge=1)
    """Passes over the training set."""
    batch_size: int = Field(ge=2)
    """Images or clips per step."""
    learning_rate: float = Field(gt=0)
    """Peak of the one-cycle schedule."""
    weight_decay: float = Field(ge=0)
    """Of AdamW."""
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Share of the target that is spread over all classes."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.hidden_size % self.heads:
            raise ValueError("heads must divide hidden_size")
        return self

    @model_validator(mode="after")
    def _hash_is_of_a_published_one(self) -> Self:
        if self.hash is not None and not self.checkpoint:
            raise ValueError("hash locks a published encoder: name it in checkpoint")
        return self


class PretrainVit(Pretrain):
    """The face encoder: a compact ViT, or any published one (docs/encoders.md)."""

    weight_decay: float = Field(default=0.05, ge=0)
    """Of AdamW."""
    image_size: PositiveInt
    """Side of the square images that it sees, pixels."""
    patch_size: PositiveInt
    """Pixels of the image per token and side."""
    stem_channels: list[PositiveInt] = Field(default=[], max_length=8)
    """Of convolutions that each halve the image, in place of the patch projection; [] for none."""
    stem_blocks: NonNegativeInt = 0
    """Residual blocks behind each of these convolutions."""
    patience: NonNegativeInt
    """Epochs without a better PublicTest before stopping; 0 never stops."""
    finetune: bool = False
    """Train the published checkpoint on the faces corpus before it is used; its learning rate is about
    3e-5."""
    device: Device = "cpu"
    """Of its training: auto, cpu, cuda or cuda:N."""
    precision: Precision = "fp32"
    """Of its training; bf16 is for GPUs, and for processors with such products (AVX512-BF16)."""

    @model_validator(mode="after")
    def _shapes_fit(self) -> Self:
        if self.image_size % self.patch_size:
            raise ValueError("patch_size must divide image_size")
        if self.finetune and not self.checkpoint:
            raise ValueError("finetune trains a published ViT on: name it in checkpoint")
        if self.stem_channels and 2 ** len(self.stem_channels) != self.patch_size:
            raise ValueError(
                f"{len(self.stem_channels)} stem_channels make tokens of "
                f"{2 ** len(self.stem_channels)} pixels: set patch_size to that"
            )
        return self


class PretrainEmotion2vec(Pretrain):
    """The speech encoder: a compact emotion2vec, or any published one (docs/encoders.md)."""

    layer: PositiveInt | Literal["all"] | None = None
    """Of a published encoder of transformers, the block whose output is embedded, counted from 1; all: every
    block's, and the audio arm learns how much each counts; empty: the last."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Of AdamW."""
    prenet_layers: NonNegativeInt = 1
    """Transformer blocks of the audio encoder, before the shared layers."""
    frame_weight: float = Field(default=3.0, ge=0)
    """Weight of the loss of the frames (spectrum and pitch) beside that of the emotion."""
    leave_one_out: bool = False
    """Also train an encoder without each pretraining corpus, for the cross-corpus matrix of stage 2a; false:
    the one encoder has learned from the corpus that is left out, and the table says so."""

    @model_validator(mode="after")
    def _layer_is_of_a_published_one(self) -> Self:
        if self.layer is not None and not self.checkpoint:
            raise ValueError("layer chooses a block of a published encoder: name it in checkpoint")
        if self.leave_one_out and self.checkpoint:
            raise ValueError("leave_one_out trains encoders, and checkpoint names one: set one of the two")
        return self


class Embed(Section):
    """Running the encoders once over all clips."""

    dtype: Literal["float16", "float32"]
    """How embeddings are stored."""
    precision: EmbedPrecision = "fp32"
    """How they are computed: bf16 for GPUs, and for processors with such products; int8 for processors; auto
    measures a second which is fast on this machine, and says it."""
    device: Device
    """auto (a GPU where there is one), cpu, cuda or cuda:N."""
    batch_gib: float = Field(default=1.0, gt=0)
    """Working memory of a batch of frames or clips, GiB; on a GPU more is faster, and halves help where less
    is free."""
    views: int = Field(default=0, ge=0, le=99)
    """Augmented views of each clip that is trained on, stored beside the clean one."""
    vad: Literal["all", "pretraining"] = "all"
    """Whose long clips lose their silence (extract.vad_min_clip_s): every corpus's, or only those of stage
    2a, as in the reference's code; recordings to be predicted are heard as the benchmark is."""
    view_speeds: Unique[float] = []
    """Speeds that the views' sound plays at, in turn; [] for the method's rule, which changes few clips'
    speed."""

    @model_validator(mode="after")
    def _speeds_are_speeds(self) -> Self:
        if any(not 0.5 <= speed <= 2 for speed in self.view_speeds):
            raise ValueError("view_speeds: a speed is between 0.5 and 2")
        return self
