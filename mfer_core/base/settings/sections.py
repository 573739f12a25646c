"""The sections of params.yaml, each named like the stage that reads it; those of training are in training.py."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, model_validator

Arm = Literal["visual", "audio", "fused"]
Modality = Literal["visual", "audio"]


class Section(BaseModel):
    """Base of every section: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DemoSize(Section):
    """How much of a synthetic corpus is written."""

    speakers: int = Field(ge=2)
    clips_per_speaker: int = Field(ge=1)


class Corpus(Section):
    """Where a corpus is and how it is read."""

    adapter: str  # a module of mfer_core.corpora
    source: Literal["demo", "local", "fetch", "absent"]  # written, found, downloaded, or left out on purpose
    path: Path
    demo: DemoSize | None = None
    aliases: dict[str, str] = {}  # label as found -> one of the eight names
    speaker_pattern: str | None = None  # regular expression with one group, for corpora without speaker ids
    manifest: Path | None = None  # of a custom set: csv or Parquet with path, label and, if known, speaker
    precomputed: dict[
        Modality, Path
    ] = {}  # csv or Parquet of features, in the corpus's folder, in place of an encoder

    @model_validator(mode="after")
    def _demo_needs_size(self):
        if self.source == "demo" and self.demo is None:
            raise ValueError("source: demo needs a demo section with speakers and clips_per_speaker")
        return self

    @model_validator(mode="after")
    def _features_are_watched(self):
        for path in self.precomputed.values():
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(
                    f"precomputed: {path} must lie in the corpus's folder, where DVC watches it (a link will do)"
                )
        return self


class Roles(Section):
    """Which corpus plays which part; names are keys of ``corpora``."""

    benchmark: str  # stages 1, 2b, 3 and the folds
    pretraining: list[str] = Field(min_length=1)  # stage 2a and the compact emotion2vec
    transfer: str | None  # the held-out custom set; null leaves stage transfer without results
    faces: str | None  # what the ViT is trained on; null with a published checkpoint


class Ingest(Section):
    rejects_limit: float = Field(ge=0, le=1)  # a larger share of rejects fails the stage
    workers: int = Field(ge=1)


class Extract(Section):
    frames_per_second: float = Field(gt=0)
    image_size: int = Field(ge=16)  # pixels, square
    grayscale: bool
    image_format: Literal["jpeg", "png"]
    margin: float = Field(ge=0)  # of the face box's longer side, each side
    detect_every_s: float = Field(gt=0)  # between two runs of the face detector; a track fills in
    detect_side: int = Field(ge=64)  # the detector sees frames reduced to this longer side, pixels
    vad_min_clip_s: float = Field(ge=0)  # Silero VAD cuts clips longer than this (reference: 3 s)
    vad_threshold: float = Field(gt=0, lt=1)
    clip_time_limit_s: float = Field(gt=0)
    max_duration_s: float = Field(gt=0)
    shard_clips: int = Field(ge=1)
    rejects_limit: float = Field(ge=0, le=1)
    workers: int = Field(ge=1)


class Pretrain(Section):
    """An encoder: a published one, or a compact one trained by the pipeline."""

    checkpoint: str | None  # hub id or folder; null trains the compact one below
    revision: str | None
    hidden_size: int
    layers: int
    heads: int
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    label_smoothing: float = Field(ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_fit(self):
        if self.hidden_size % self.heads:
            raise ValueError("heads must divide hidden_size")
        return self


class PretrainVit(Pretrain):
    image_size: int  # pixels, square
    patch_size: int  # pixels of the image per token and side
    stem_channels: list[
        int
    ] = []  # of convolutions that each halve the image, in place of the patch projection; [] for none
    patience: int  # epochs without a better PublicTest before stopping; 0 never stops
    finetune: bool = (
        False  # train the checkpoint on the faces corpus before it is used; its learning rate is about 3e-5
    )
    device: str = "cpu"  # of training: "auto", "cpu", "cuda", "cuda:0"
    precision: Literal["fp32", "bf16"] = "fp32"

    @model_validator(mode="after")
    def _shapes_fit(self):
        if self.image_size % self.patch_size:
            raise ValueError("patch_size must divide image_size")
        if self.finetune and not self.checkpoint:
            raise ValueError("finetune trains a published ViT on: name it in checkpoint")
        if self.stem_channels and 2 ** len(self.stem_channels) != self.patch_size:
            raise ValueError(
                f"{len(self.stem_channels)} stem_channels make tokens of {2 ** len(self.stem_channels)} pixels: set patch_size to that"
            )
        return self


class PretrainEmotion2vec(Pretrain):
    prenet_layers: int  # transformer blocks of the audio encoder, before the shared ``layers``
    frame_weight: float = Field(
        default=3.0, ge=0
    )  # of the loss of the frames (spectrum and pitch) beside that of the emotion


class Embed(Section):
    dtype: Literal["float16", "float32"]
    precision: Literal["fp32", "bf16"]
    device: str  # "auto", "cpu", "cuda", "cuda:0"
    batch_gib: float = Field(
        default=1.0, gt=0
    )  # working memory of a batch; a longer clip than fits is cut, and halves help where less is free
    shard_clips: int = Field(ge=1)
    views: int = Field(
        default=0, ge=0, le=99
    )  # augmented views cached per clip that is trained on, beside the clean one
    view_speeds: list[
        float
    ] = []  # what the views' sound plays at, in turn; [] for the method's rule, which changes few clips' speed


class Folds(Section):
    protocols: list[str] = Field(min_length=1)
    inner_share: float = Field(
        gt=0, lt=1
    )  # of the training speakers, for early stopping and checkpoint choice
    refit: bool = True  # after that choice, train anew on all training speakers, for as many epochs
    seed: int


class Evaluate(Section):
    bootstrap: int = Field(ge=100)  # resamples of speakers for the 95 % intervals
    permutations: int = Field(ge=100)  # of the paired test
    baseline: bool = True  # also score MFCC statistics + SVM under the same folds
    seed: int


class Transfer(Section):
    shots: list[NonNegativeInt]  # clips per class of adaptation
    seed: int
    draws: int = Field(
        default=5, ge=1
    )  # supports drawn per fold and number of shots, from other people each time
    normalisation: Literal["none", "corpus", "speaker"] = (
        "speaker"  # unsupervised, of embeddings to the training moments, for the shots
    )


class Register(Section):
    name: str
    protocol: str


class Tracking(Section):
    """Where MLflow keeps runs; MLFLOW_TRACKING_URI, when set, wins over ``uri``."""

    uri: str
    artifacts: str
