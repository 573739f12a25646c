"""params.yaml as typed, validated settings. One class per section; a section is named like the stage that reads it."""

from pathlib import Path

from pydantic import Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from mfer_core.base.errors import MferError
from mfer_core.base.settings.faults import explain
from mfer_core.base.settings.sections import (
    Arm,
    Corpus,
    DemoSize,
    Embed,
    Evaluate,
    Extract,
    Folds,
    Ingest,
    PretrainEmotion2vec,
    PretrainVit,
    Register,
    Roles,
    Section,
    Tracking,
    Transfer,
)
from mfer_core.base.settings.training import Finetune, PretrainAudio, Train, TrainArm, TrainAudio, TrainFused

__all__ = [
    "DemoSize",
    "Finetune",
    "Settings",
    "Train",
    "load_settings",
]  # besides the sections that Settings is made of


class Settings(Section):
    profile: str
    seed: int
    runner: str = (
        "local"  # where shards and folds are computed; shapes no result, so no key and no stage depends on it
    )
    arms: list[Arm]
    corpora: dict[str, Corpus]
    clips: list[str]  # the corpora of clips, which extract and embed go through; the others hold face images
    roles: Roles
    ingest: Ingest
    extract: Extract
    pretrain_vit: PretrainVit
    pretrain_emotion2vec: PretrainEmotion2vec
    embed: Embed
    folds: Folds
    train_visual: TrainArm
    pretrain_audio: PretrainAudio
    train_audio: TrainAudio
    train_fused: TrainFused
    train_workers: int = Field(ge=1)  # folds trained side by side
    evaluate: Evaluate
    transfer: Transfer
    register_model: Register = Field(alias="register")
    tracking: Tracking

    def corpus(self, name: str) -> Corpus:
        """A corpus by name. Raises MferError naming the choices."""
        if name not in self.corpora:
            raise MferError(
                f"unknown corpus {name!r}: choose one of {', '.join(self.corpora)}, or add it to corpora in params.yaml"
            )
        return self.corpora[name]

    def views_of(self, corpus: str, modality: str) -> int:
        """How many augmented views of a corpus are cached: none of what is never trained on."""
        trained = corpus == self.roles.benchmark or (modality == "audio" and corpus in self.roles.pretraining)
        return self.embed.views if trained and modality not in self.corpora[corpus].precomputed else 0

    @property
    def synthetic(self) -> bool:
        """Whether the benchmark is a demonstration corpus: every place that shows its numbers says so."""
        return self.corpora[self.roles.benchmark].source == "demo"

    @field_validator("runner")
    @classmethod
    def _runner_is_known(cls, value: str) -> str:
        if value not in ("local", "dask") and "://" not in value:
            raise ValueError(
                f"{value!r} is neither local, dask nor the address of a Dask scheduler (tcp://HOST:8786)"
            )
        return value

    @model_validator(mode="after")
    def _parts_fit(self):
        _refuse_contradictions(self)
        return self


def load_settings(path: Path = Path("params.yaml")) -> Settings:
    """Read and validate params.yaml. Raises MferError naming the key at fault and the choices."""
    try:
        values = YAML(typ="safe").load(Path(path).read_text(encoding="utf-8"))
        return Settings.model_validate(values)
    except OSError as error:
        raise MferError(f"no settings at {path}: run this from the project's folder") from error
    except YAMLError as error:
        raise MferError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise MferError(f"{path}: {explain(error, Settings)}") from error


def _refuse_contradictions(settings: Settings) -> None:
    """Raise ValueError where sections that are right each do not fit together."""
    _refuse_unknown_corpora(settings)
    if "fused" in settings.arms and not {"visual", "audio"} <= set(settings.arms):
        raise ValueError("arms: fused needs both visual and audio")
    for arm, stages in (
        ("train_visual", ["train_visual"]),
        ("pretrain_audio", ["pretrain_audio", "train_audio"]),
    ):
        if getattr(settings, arm).normalisation != "none" and any(
            getattr(settings, stage).finetune.blocks for stage in stages
        ):
            raise ValueError(
                f"{arm}.normalisation moves cached embeddings, and an encoder that learns has none: set finetune.blocks to 0"
            )
    for modality in ("visual", "audio"):
        _refuse_two_kinds(settings, modality)


def _refuse_unknown_corpora(settings: Settings) -> None:
    roles = settings.roles
    for name in settings.clips:
        if name not in settings.corpora:
            raise ValueError(
                f"clips name the corpus {name!r}, which is not one of {', '.join(settings.corpora)}"
            )
    for name in filter(None, (roles.benchmark, *roles.pretraining, roles.transfer)):
        if name not in settings.clips:
            raise ValueError(
                f"roles name the corpus {name!r}, which is not one of clips: {', '.join(settings.clips)}"
            )
    if roles.faces not in settings.corpora and (
        not settings.pretrain_vit.checkpoint or settings.pretrain_vit.finetune
    ):
        raise ValueError(
            f"roles.faces is {roles.faces!r}: name one of {', '.join(settings.corpora)}, or a pretrain_vit.checkpoint"
        )


def _refuse_two_kinds(settings: Settings, modality: str) -> None:
    """One model reads the embeddings of several corpora: all by the encoder, or all brought along."""
    names = [settings.roles.benchmark, *filter(None, [settings.roles.transfer])]
    names += (
        settings.roles.pretraining
        if modality == "audio" and settings.train_audio.start == "pretrain_audio"
        else []
    )
    present = [
        name for name in names if settings.corpora[name].source != "absent" and modality in settings.arms
    ]
    brought = [name for name in present if modality in settings.corpora[name].precomputed]
    if brought and (others := [name for name in present if name not in brought]):
        raise ValueError(
            f"precomputed {modality} features for {', '.join(brought)} but not for {', '.join(others)}, and one model reads both: "
            "bring them for all, or leave the others out (roles.transfer: null; train_audio.start: scratch)"
        )
