"""Sections that are right each and do not fit together."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from inspect import signature
from typing import Any

from mfer_core.base.labels import EMOTIONS
from mfer_core.base.modalities import MODALITIES
from mfer_core.base.settings.encoders import Embed, PretrainEmotion2vec, PretrainVit
from mfer_core.base.settings.sections import Corpus, Folds, Labels, Register, Roles
from mfer_core.base.settings.training import PretrainAudio, TrainArm, TrainAudio, TrainFused

Corpora = dict[str, Corpus]


def contradictions(parts: dict[str, Any]) -> list[str]:
    """A line per contradiction of ``parts``, which are as ``run_checks`` takes them."""
    return run_checks(CHECKS, parts)


def run_checks(checks: Iterable[Callable[..., Iterable[str]]], parts: dict[str, Any]) -> list[str]:
    """What the ``checks`` say, in their order.

    ``parts``: sections by name, and ``corpus_names``, which also holds corpora that are wrong in themselves.
    The names of a check's arguments say what it needs; a check whose sections are not all there is left out.
    """
    faults: list[str] = []
    for check in checks:
        needed = signature(check).parameters
        if needed.keys() <= parts.keys():
            faults += check(**{name: parts[name] for name in needed})
    return faults


def role_names(roles: Roles) -> list[tuple[str, str]]:
    """Pairs of role and corpus, one per corpus that has a role."""
    pretraining = [("pretraining", name) for name in roles.pretraining]
    return [
        ("benchmark", roles.benchmark),
        *pretraining,
        ("transfer", roles.transfer),
        ("faces", roles.faces),
    ]


def _one_corpus_has_one_role(roles: Roles) -> Iterator[str]:
    pairs = role_names(roles)
    for name, count in Counter(name for _, name in pairs).items():
        if count > 1:
            names = " and ".join(role for role, other in pairs if other == name)
            yield (
                f"roles: {name} is {names}: one corpus, one role, "
                "or people would be tested that were trained on"
            )


def _roles_name_corpora(roles: Roles, corpus_names: list[str], media_corpora: list[str]) -> Iterator[str]:
    for role, name in role_names(roles):
        if name not in corpus_names:
            yield f"roles.{role}: no corpus {name!r}: name one of {', '.join(corpus_names)}"
        elif (name in media_corpora) == (role == "faces"):
            kind = "media_corpora" if role != "faces" else "the corpora of face images, outside media_corpora"
            yield f"roles.{role}: {name} is not one of {kind}"


def _media_corpora_are_corpora(corpus_names: list[str], media_corpora: list[str]) -> Iterator[str]:
    for name in media_corpora:
        if name not in corpus_names:
            yield f"media_corpora: no corpus {name!r}: name one of {', '.join(corpus_names)}"


def _what_is_needed_is_not_absent(roles: Roles, corpora: Corpora, pretrain_vit: PretrainVit) -> Iterator[str]:
    absent = {name for name, corpus in corpora.items() if corpus.source == "absent"}
    if roles.benchmark in absent:
        yield f"roles.benchmark: {roles.benchmark} is absent, and everything is measured on it"
    if roles.faces in absent and (not pretrain_vit.checkpoint or pretrain_vit.finetune):
        yield (
            f"roles.faces: {roles.faces} is absent, and pretrain_vit trains on it: "
            "name a pretrain_vit.checkpoint"
        )


def _a_folder_is_one_corpus(corpora: Corpora) -> Iterator[str]:
    present = [(name, corpus.path) for name, corpus in corpora.items() if corpus.source != "absent"]
    for at, (name, path) in enumerate(present):
        for other, same in present[:at]:
            if path == same:
                yield f"corpora: {other} and {name} have the same path {path}: a folder is one corpus"


def _fused_needs_both_arms(arms: list[str]) -> Iterator[str]:
    if "fused" in arms and not set(MODALITIES) <= set(arms):
        yield "arms: fused needs both visual and audio"


def _registered_folds_are_made(folds: Folds, register_model: Register) -> Iterator[str]:
    if register_model.protocol not in folds.protocols:
        yield (
            f"register.protocol is {register_model.protocol!r}: name one of folds.protocols: "
            f"{', '.join(folds.protocols)}"
        )


def _normalised_embeddings_are_stored(
    train_visual: TrainArm, pretrain_audio: TrainArm, train_audio: TrainAudio, train_fused: TrainFused
) -> Iterator[str]:
    arms: list[tuple[str, TrainArm, list[TrainArm | TrainAudio]]] = [
        ("train_visual", train_visual, [train_visual]),
        ("pretrain_audio", pretrain_audio, [pretrain_audio, train_audio]),
    ]
    for arm, section, learning in arms:
        if section.normalisation != "none" and any(stage.finetune.blocks for stage in learning):
            yield (
                f"{arm}.normalisation moves stored embeddings, and an encoder that learns has none: "
                "set finetune.blocks to 0"
            )
        drawing = any(stage.views == "each_epoch" for stage in (*learning, train_fused))
        if section.normalisation != "none" and drawing:
            yield (
                f"{arm}.normalisation moves stored embeddings, and a view that is drawn anew is none: set "
                "views to stored"
            )


def _speeds_are_of_stored_views(
    embed: Embed, pretrain_audio: TrainArm, train_audio: TrainAudio, train_fused: TrainFused
) -> Iterator[str]:
    stages = {"pretrain_audio": pretrain_audio, "train_audio": train_audio, "train_fused": train_fused}
    for name, section in stages.items():
        if embed.view_speeds and section.views == "each_epoch":
            yield f"{name}.views: each_epoch: embed.view_speeds are of stored views: set them to []"


def _encoders_without_a_corpus_embed_clean_clips(
    embed: Embed, pretrain_emotion2vec: PretrainEmotion2vec, pretrain_audio: PretrainAudio
) -> Iterator[str]:
    if not pretrain_emotion2vec.leave_one_out:
        return
    if embed.views or pretrain_audio.views == "each_epoch" or pretrain_audio.finetune.blocks:
        yield (
            "pretrain_emotion2vec.leave_one_out: these encoders neither learn nor make views: set "
            "embed.views and pretrain_audio.finetune.blocks to 0 and pretrain_audio.views to stored"
        )
    if not pretrain_audio.cross_corpus_epochs:
        yield (
            "pretrain_emotion2vec.leave_one_out is for a matrix that pretrain_audio.cross_corpus_epochs: 0 "
            "leaves out"
        )


def _labels_are_declared(labels: Labels, corpora: Corpora) -> Iterator[str]:
    """Every label that a setting leads to is known or a class."""
    for label, name in labels.mapping.items():
        if name is not None and name not in labels.classes:
            choices = ", ".join(labels.classes)
            yield f"labels.mapping.{label} is {name!r}: name one of labels.classes: {choices}"
    declared = dict.fromkeys((*labels.classes, *labels.mapping))
    known = (*EMOTIONS, *(name for name in declared if name not in EMOTIONS))
    for corpus, section in corpora.items():
        for alias, name in section.aliases.items():
            if name not in known:
                yield (
                    f"corpora.{corpus}.aliases.{alias} is {name!r}: use one of {', '.join(known)}, or add it "
                    "to labels.classes"
                )


def _one_model_reads_one_kind(
    roles: Roles, corpora: Corpora, arms: list[str], train_audio: TrainAudio
) -> Iterator[str]:
    """One model reads the embeddings of several corpora: all by the encoder, or all brought along."""
    for modality in MODALITIES:
        names = [roles.benchmark, roles.transfer]
        if modality == "audio" and train_audio.start == "pretrain_audio":
            names += roles.pretraining
        present = [name for name in names if name in corpora and corpora[name].source != "absent"]
        brought = [name for name in present if modality in corpora[name].precomputed]
        others = [name for name in present if name not in brought]
        if modality in arms and brought and others:
            yield (
                f"precomputed {modality} features for {', '.join(brought)} but not for {', '.join(others)}, "
                "and one model reads both: bring them for all, or leave the others out "
                "(source: absent; train_audio.start: scratch)"
            )


CHECKS = (
    _media_corpora_are_corpora,
    _roles_name_corpora,
    _one_corpus_has_one_role,
    _what_is_needed_is_not_absent,
    _a_folder_is_one_corpus,
    _fused_needs_both_arms,
    _registered_folds_are_made,
    _normalised_embeddings_are_stored,
    _speeds_are_of_stored_views,
    _encoders_without_a_corpus_embed_clean_clips,
    _labels_are_declared,
    _one_model_reads_one_kind,
)
