"""The sections of params.yaml, each named like the stage that reads it; those of encoders are in encoders.py,
those of arms in training.py.

The line below a setting is its help: docs/reference_settings.md is made of these. A setting with a default
need not stand in params.yaml.
"""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator

from mfer_core.base.labels import EIGHT, LabelSet
from mfer_core.base.modalities import Modality
from mfer_core.base.settings.types import (
    PRESETS,
    CorpusName,
    Folder,
    Label,
    Protocol,
    SpeakerPattern,
    Text,
    Unique,
)


class Section(BaseModel):
    """Base of every section: unknown keys are refused, values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class DemoSize(Section):
    """The size of a synthetic corpus."""

    speakers: int = Field(ge=2)
    """People."""
    clips_per_speaker: int = Field(ge=1)
    """Clips of each of them."""


class Corpus(Section):
    """Where a corpus is and how it is read."""

    adapter: Text
    """The module of mfer_core/corpora that knows its files, names and labels."""
    source: Literal["demo", "local", "fetch", "absent"]
    """demo: written by stage demo; local: a folder that is there; fetch: downloaded; absent: left out,
    wherever it is named."""
    path: Folder
    """Its folder."""
    demo: DemoSize | None = None
    """Of a synthetic corpus, how much is written."""
    aliases: dict[str, Label] = {}
    """Labels as found, each with one of the eight emotions or another declared label (section labels)."""
    speaker_pattern: SpeakerPattern | None = None
    """Of a custom set: regular expression whose group finds the speaker in a clip's name (with a / in it: in
    its path)."""
    manifest: Folder | None = None
    """Of a custom set: csv or Parquet with path, label and, if known, speaker; of EmoBox: its jsonl."""
    precomputed: dict[Modality, Folder] = {}
    """csv or Parquet of features in the corpus's folder, by modality, in place of an encoder."""

    @model_validator(mode="after")
    def _demo_needs_size(self) -> Self:
        if self.source == "demo" and self.demo is None:
            raise ValueError("source: demo needs a demo section with speakers and clips_per_speaker")
        return self

    @model_validator(mode="after")
    def _features_are_watched(self) -> Self:
        for path in self.precomputed.values():
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(
                    f"precomputed: {path} must lie in the corpus's folder, "
                    "where DVC watches it (a link will do)"
                )
        return self


class Roles(Section):
    """Which corpus plays which part: one corpus, one role. An absent corpus keeps its role and is skipped."""

    benchmark: CorpusName
    """The corpus of stages 1, 2b and 3, and of the folds."""
    pretraining: Unique[CorpusName] = Field(min_length=1)
    """The corpora of stage 2a and of the compact emotion2vec; the benchmark and the transfer corpus are left
    out."""
    transfer: CorpusName
    """The held-out set that nothing is trained on."""
    faces: CorpusName
    """What the ViT is trained on."""


class Labels(Section):
    """What the benchmark's clips are labelled with. Models, tables and predictions follow."""

    classes: Unique[Label] = Field(default=list(EIGHT), min_length=2)
    """The classes in the order of their ids. One that no clip of the benchmark has is not trained. Published
    heads answer in those that they know."""
    mapping: dict[Label, Label | None] = {}
    """Labels of the benchmark that count as another class, such as calm: neutral; empty leaves clips out."""

    crowd_share: float = Field(default=0.0, ge=0, le=1)
    """How much of what is learned of a clip is the crowd's vote where the corpus has one (CREMA-D), divided
    evenly among ties; the rest is the label. Chosen and scored by the label; table crowd has both."""

    @property
    def declared(self) -> LabelSet:
        """The classes with their mapping."""
        return LabelSet(tuple(self.classes), dict(self.mapping), self.crowd_share)


class Shards(Section):
    """How many clips a file holds: what one task works on and keeps in memory. It shapes no result, so no
    stage depends on it."""

    extract: PositiveInt = 64
    """Of extracted faces and sound."""
    embed: PositiveInt = 128
    """Of embeddings."""


class Ingest(Section):
    """Reading corpora."""

    rejects_limit: float = Field(default=0.5, ge=0, le=1)
    """A larger share of files with faults ends the stage."""


class Extract(Section):
    """From media to faces and sound."""

    frames_per_second: float = Field(gt=0)
    """Pictures taken of each second of a clip."""
    image_size: int = Field(default=224, ge=16)
    """Side of the square face images, pixels."""
    grayscale: bool = True
    """Whether face images lose their colour, as in the reference method."""
    image_format: Literal["jpeg", "png"] = "jpeg"
    """How face images are stored; png is exact and several times larger."""
    margin: float = Field(default=0.1, ge=0)
    """Around a face, on each side: a share of its box's longer side."""
    detect_every_s: float = Field(default=1.0, gt=0)
    """Seconds between two runs of the face detector; a track fills in."""
    detect_side: int = Field(ge=64)
    """Longer side of the pictures that the face detector sees, pixels."""
    vad_min_clip_s: float = Field(ge=0)
    """Silero VAD cuts the silence off clips longer than so many seconds."""
    vad_threshold: float = Field(default=0.5, gt=0, lt=1)
    """From which probability on a piece of sound is speech."""
    clip_time_limit_s: float = Field(gt=0)
    """A clip that takes longer, in seconds of computing, is rejected."""
    max_duration_s: float = Field(gt=0)
    """A longer clip, in seconds, is rejected."""
    rejects_limit: float = Field(default=0.2, ge=0, le=1)
    """A larger share of clips with faults ends the stage."""


class Folds(Section):
    """How the benchmark is cut into training, validation and test parts."""

    protocols: Unique[Protocol] = Field(min_length=1)
    """Whose folds are made, trained and evaluated; docs/architecture.md explains them. A preset of another
    corpus than the benchmark is left out."""
    inner_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of the training speakers on whom early stopping and the checkpoint are decided."""
    refit: bool = True
    """Whether, after that choice, a fresh model is trained on all training speakers for as many epochs."""


class Evaluate(Section):
    """Metrics and tables."""

    bootstrap: int = Field(default=2000, ge=100, le=1_000_000)
    """Resamples of speakers for the 95 % intervals."""
    permutations: int = Field(default=5000, ge=100, le=1_000_000)
    """Exchanges tried by the paired test."""
    baseline: bool = True
    """Whether MFCC statistics with an SVM are scored under the same folds."""


class Transfer(Section):
    """The fold models on the held-out set."""

    shots: Unique[NonNegativeInt]
    """Clips per class that the models are adapted with; 0: none."""
    draws: int = Field(default=5, ge=1)
    """Supports drawn per fold and number of shots, from other people each time."""
    mapping: dict[Label, Label] = {"calm": "neutral"}
    """What a label counts as where models and held-out set do not both know it; the others are left out."""
    normalisation: Literal["none", "corpus", "speaker"] = "speaker"
    """Of embeddings to the training moments, without labels, for the shots."""


class Register(Section):
    """What goes into the model registry."""

    name: Text
    """The registered model's name in MLflow."""
    protocol: Protocol = PRESETS[0]
    """Whose fold model is registered: one of folds.protocols; empty: the first that holds people out."""


class Predict(Section):
    """A person's own recordings."""

    max_minutes: float = Field(default=180, gt=0)
    """A longer recording is refused; memory does not grow with the length, time and disk do."""
    image_encoder: Text = "dima806/facial_emotions_image_detection"
    """Of the published heads (--model published): a ViT classifier, hub id or folder."""
    image_revision: Text | None = None
    """Its commit; empty takes the newest."""
    image_hash: Text | None = None
    """Of its weights and configuration, as `mfer lock-encoders` writes it; others are refused."""
    image_temperature: float = Field(default=1.0, gt=0)
    """Divides its head's logits; 1 is as published, `mfer calibrate` fits it."""
    speech_encoder: Text = "emotion2vec/emotion2vec_plus_base"
    """Of the published heads: an emotion2vec with a head, hub id or folder."""
    speech_revision: Text | None = None
    """Its commit; empty takes the newest."""
    speech_hash: Text | None = None
    """Of its weights and configuration, as `mfer lock-encoders` writes it; others are refused."""
    speech_temperature: float = Field(default=1.0, gt=0)
    """Divides its head's logits; 1 is as published, `mfer calibrate` fits it."""
    voice_encoder: Text = "iic/speech_campplus_sv_zh-cn_16k-common"
    """A CAM++ that tells speakers apart, hub id or folder; used where it lies on this machine."""
    voice_hash: Text | None = None
    """Of its weights and configuration, as `mfer lock-encoders` writes it; others are refused."""
    voice_likeness: float = Field(default=0.4, gt=-1, lt=1)
    """From which cosine of their embeddings on two voices are one speaker's."""


class Tracking(Section):
    """Where MLflow keeps runs; MLFLOW_TRACKING_URI, when set, wins over uri."""

    uri: Text
    """Address of the tracking store."""
    artifacts: Text
    """Folder or address of the files of runs."""

    @model_validator(mode="after")
    def _no_password_is_kept(self) -> Self:
        for name in ("uri", "artifacts"):
            if urlsplit(getattr(self, name)).password:
                raise ValueError(
                    f"{name} holds a password, which git and dvc.lock would keep: leave it out, and set the "
                    "environment's MLFLOW_TRACKING_URI"
                )
        return self
