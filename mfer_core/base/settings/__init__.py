"""params.yaml as typed, validated settings. One class per section; a section is named like the stage that
reads it."""

from pathlib import Path
from typing import Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from mfer_core.base.errors import Faults, MferError
from mfer_core.base.labels import EMOTIONS
from mfer_core.base.modalities import Arm
from mfer_core.base.settings.contradictions import contradictions
from mfer_core.base.settings.encoders import Embed, Pretrain, PretrainEmotion2vec, PretrainVit
from mfer_core.base.settings.reading import read_yaml
from mfer_core.base.settings.resolving import resolve
from mfer_core.base.settings.sections import (
    Corpus,
    DemoSize,
    Evaluate,
    Extract,
    Folds,
    Ingest,
    Labels,
    Predict,
    Register,
    Roles,
    Section,
    Shards,
    Tracking,
    Transfer,
)
from mfer_core.base.settings.training import (
    Finetune,
    PretrainAudio,
    Train,
    TrainArm,
    TrainAudio,
    TrainFused,
    TrainVisual,
)
from mfer_core.base.settings.types import CorpusName, Runner, Text, Unique
from mfer_core.base.settings.validation import find_faults

# The sections that Settings is made of can be imported from here too.
__all__ = ["DemoSize", "Finetune", "Settings", "Train", "TrainArm", "load_settings"]

WHOLE_S = 1e9  # No clip is as long, so that silence is cut off none.


class Settings(Section):
    """All of params.yaml."""

    profile: Text
    """The file of profiles/ that params.yaml was written from."""
    seed: NonNegativeInt
    """Of everything that is drawn at random but for the fold models: demo, encoders, stage 2a, folds,
    resamples."""
    seeds: Unique[NonNegativeInt] = Field(min_length=1)
    """Of the fold models of stages 1, 2b and 3: each is trained once per seed, and figures are means over
    seeds."""
    runner: Runner = "local"
    """Where shards and folds are computed: local, dask (worker processes here) or a scheduler's
    tcp://HOST:8786."""
    workers: PositiveInt = 2
    """Processes side by side, of every stage that can use several; on a CPU also threads of an encoder, a
    clip each.
    """
    shards: Shards = Shards()
    arms: Unique[Arm] = Field(min_length=1)
    """What is trained: visual (stage 1), audio (stages 2a and 2b), fused (stage 3)."""
    corpora: dict[CorpusName, Corpus]
    """Every corpus by name."""
    media_corpora: Unique[CorpusName]
    """The corpora of video or sound, which extract and embed go through: all of corpora but those of face
    images."""
    roles: Roles
    labels: Labels = Labels()
    ingest: Ingest
    extract: Extract
    pretrain_vit: PretrainVit
    pretrain_emotion2vec: PretrainEmotion2vec
    embed: Embed
    folds: Folds
    train_visual: TrainVisual
    pretrain_audio: PretrainAudio
    train_audio: TrainAudio
    train_fused: TrainFused
    evaluate: Evaluate
    transfer: Transfer
    register_model: Register = Field(alias="register")
    predict: Predict = Predict()
    tracking: Tracking

    def corpus(self, name: str) -> Corpus:
        """A corpus by name; declared labels are among its aliases. Raises MferError naming the choices."""
        if name not in self.corpora:
            raise MferError(
                f"unknown corpus {name!r}: choose one of {', '.join(self.corpora)}, "
                "or add it to corpora in params.yaml"
            )
        corpus = self.corpora[name]
        labels = (*self.labels.classes, *self.labels.mapping)
        declared = {label: label for label in labels if label not in EMOTIONS}
        return corpus.model_copy(update={"aliases": declared | corpus.aliases}) if declared else corpus

    def encoder(self, modality: str) -> Pretrain:
        """The section of the encoder of "visual" or "audio"."""
        return self.pretrain_vit if modality == "visual" else self.pretrain_emotion2vec

    def views_of(self, corpus: str, modality: str) -> int:
        """How many augmented views of a corpus are cached: none of what is never trained on."""
        trained = corpus == self.roles.benchmark or (modality == "audio" and corpus in self.roles.pretraining)
        return self.embed.views if trained and modality not in self.corpora[corpus].precomputed else 0

    def vad_min_clip_s(self, corpus: str) -> float:
        """Seconds from which on a corpus's clips lose their silence."""
        cut = self.embed.vad == "all" or corpus in self.roles.pretraining
        return self.extract.vad_min_clip_s if cut else WHOLE_S

    @property
    def synthetic(self) -> bool:
        """Whether the benchmark is a demonstration corpus: every place that shows its numbers says so."""
        return self.corpora[self.roles.benchmark].source == "demo"

    @property
    def why_no_model(self) -> str | None:
        """The reason why no model that predicts media files comes of these settings; None where one does."""
        if "fused" not in self.arms:
            return f"the fused arm is not among arms: {', '.join(self.arms)}"
        if brought := self.corpora[self.roles.benchmark].precomputed:
            features = ", ".join(f"{modality} from {path}" for modality, path in brought.items())
            return f"an arm reads precomputed features ({features}), and no media file holds them"
        if "speaker" in (self.train_visual.normalisation, self.pretrain_audio.normalisation):
            return (
                "an arm standardises steps by speaker, and a recording comes without the speaker's other ones"
            )
        return None

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        parts = {name: getattr(self, name) for name in type(self).model_fields}
        if faults := contradictions(parts | {"corpus_names": list(self.corpora)}):
            raise ValueError("; ".join(faults))
        return self


def load_settings(path: Path = Path("params.yaml")) -> Settings:
    """Read, resolve and validate params.yaml. Raises Faults, an MferError, with a line per fault: the key and
    the choices."""
    values, _ = resolve(read_yaml(Path(path)))
    if faults := find_faults(values, Settings):
        raise Faults([f"{path}: {fault}" for fault in faults])
    return Settings.model_validate(values)
