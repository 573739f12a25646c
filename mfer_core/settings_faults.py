"""What is wrong with a settings file, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from mfer_core.settings import Settings


def refuse_contradictions(settings: Settings) -> None:
    """Raise ValueError where sections that are right each do not fit together."""
    _refuse_unknown_corpora(settings)
    if "fused" in settings.arms and not {"visual", "audio"} <= set(settings.arms):
        raise ValueError("arms: fused needs both visual and audio")
    for arm, stages in (("train_visual", ["train_visual"]), ("pretrain_audio", ["pretrain_audio", "train_audio"])):
        if getattr(settings, arm).normalisation != "none" and any(getattr(settings, stage).finetune.blocks for stage in stages):
            raise ValueError(f"{arm}.normalisation moves cached embeddings, and an encoder that learns has none: set finetune.blocks to 0")
    for modality in ("visual", "audio"):
        _refuse_two_kinds(settings, modality)


def _refuse_unknown_corpora(settings: Settings) -> None:
    roles = settings.roles
    for name in settings.clips:
        if name not in settings.corpora:
            raise ValueError(f"clips name the corpus {name!r}, which is not one of {', '.join(settings.corpora)}")
    for name in filter(None, (roles.benchmark, *roles.pretraining, roles.transfer)):
        if name not in settings.clips:
            raise ValueError(f"roles name the corpus {name!r}, which is not one of clips: {', '.join(settings.clips)}")
    if roles.faces not in settings.corpora and (not settings.pretrain_vit.checkpoint or settings.pretrain_vit.finetune):
        raise ValueError(f"roles.faces is {roles.faces!r}: name one of {', '.join(settings.corpora)}, or a pretrain_vit.checkpoint")


def _refuse_two_kinds(settings: Settings, modality: str) -> None:
    """One model reads the embeddings of several corpora: all by the encoder, or all brought along."""
    names = [settings.roles.benchmark, *filter(None, [settings.roles.transfer])]
    names += settings.roles.pretraining if modality == "audio" and settings.train_audio.start == "pretrain_audio" else []
    present = [name for name in names if settings.corpora[name].source != "absent" and modality in settings.arms]
    brought = [name for name in present if modality in settings.corpora[name].precomputed]
    if brought and (others := [name for name in present if name not in brought]):
        raise ValueError(
            f"precomputed {modality} features for {', '.join(brought)} but not for {', '.join(others)}, and one model reads both: "
            "bring them for all, or leave the others out (roles.transfer: null; train_audio.start: scratch)"
        )


def explain(error: ValidationError, settings: type[BaseModel]) -> str:
    """One line for the first fault: where, what, and the choices when a key is unknown."""
    fault = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"unknown key {where}; choices there: {', '.join(_choices(fault['loc'][:-1], settings))}"
    if fault["type"] == "missing":
        return f"missing key {where}"
    return f"{where}: {fault['msg'].removeprefix('Value error, ')}" if where else fault["msg"].removeprefix("Value error, ")


def _choices(location: tuple, settings: type[BaseModel]) -> list[str]:
    """The keys that the section at ``location`` knows."""
    section = settings
    for part in location:
        field = next((f for name, f in section.model_fields.items() if part in (name, f.alias)), None)
        kinds = (field.annotation, *get_args(field.annotation)) if field else ()  # of a map, its values' section
        section = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), section)
    return [field.alias or name for name, field in section.model_fields.items()]
