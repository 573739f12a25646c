"""Look before anything runs: settings, folders, checkpoints and devices; all that is wrong or missing, in one
go."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mfer_core.base.errors import Faults, MferError
from mfer_core.base.sandbox import describe
from mfer_core.base.settings import Settings
from mfer_core.base.settings.contradictions import run_checks
from mfer_core.base.settings.reading import read_yaml
from mfer_core.base.settings.resolving import resolve
from mfer_core.base.settings.sections import Corpus, Folds, Roles
from mfer_core.base.settings.validation import find_faults, right_parts

PARAMS = Path("params.yaml")
Corpora = dict[str, Corpus]
Sections = dict[str, Any]


def check_project(may_fetch: bool = False, params: Path = PARAMS) -> Settings:
    """Validate the settings of ``params`` and look whether all that they name is there.

    With ``may_fetch`` a corpus may still be fetched. Raises Faults, an MferError: a line for each thing that
    is wrong or missing, with what to do.
    """
    values, _ = resolve(read_yaml(params))
    faults = [f"{params.name}: {fault}" for fault in find_faults(values, Settings)]
    if isinstance(values, dict):
        parts = right_parts(values, Settings)
        parts["corpora"] = {
            name: corpus
            for name, corpus in parts.get("corpora", {}).items()
            if not (may_fetch and corpus.source == "fetch" and name in unfetched(parts["corpora"]))
        }
        faults += run_checks(CHECKS, parts | {"sections": dict(parts)})
    if faults:
        raise Faults(faults)
    return Settings.model_validate(values)


def remarks(settings: Settings, params: Path = PARAMS) -> list[str]:
    """A line per corpus that is left out of pretraining, per setting that is no fault and yet makes the
    results hard to repeat elsewhere, and for what this system cannot take from a process that decodes.
    """
    sections = {name: getattr(settings, name) for name in ("pretrain_vit", "pretrain_emotion2vec")}
    _, left_out = resolve(read_yaml(params))
    missing = describe()
    return [*left_out, *([missing] if missing else [])] + [
        f"{name} names neither a commit nor a hash of {section.checkpoint}: under that name others may get "
        "other weights; `mfer lock-encoders` writes both down"
        for name, section in sections.items()
        if section.checkpoint and not (section.revision or section.hash or Path(section.checkpoint).is_dir())
    ]


def unfetched(corpora: Corpora) -> list[str]:
    """The corpora that the settings say to fetch and that are not there yet."""
    from mfer_core.corpora.fetch import is_fetched

    return [
        name for name, corpus in corpora.items() if corpus.source == "fetch" and not is_fetched(corpus.path)
    ]


def _adapters_are_there(corpora: Corpora) -> Iterator[str]:
    from mfer_core.corpora.registry import choices

    known = choices()
    for name, corpus in corpora.items():
        if corpus.adapter not in known:
            yield f"corpora.{name}.adapter is {corpus.adapter!r}: choose one of {', '.join(known)}"


def _media_corpora_hold_media(corpora: Corpora, media_corpora: list[str]) -> Iterator[str]:
    for name, corpus in _readable(corpora):
        if _holds_faces(corpus) and name in media_corpora:
            yield f"media_corpora: {name} holds images of faces: take it out"
        if not _holds_faces(corpus) and name not in media_corpora and corpus.source != "absent":
            yield f"media_corpora lacks {name}, which holds recordings: add it"


def _faces_are_faces(roles: Roles, corpora: Corpora) -> Iterator[str]:
    for name, corpus in _readable(corpora):
        if name == roles.faces and not _holds_faces(corpus):
            yield f"roles.faces: {name} holds no images of faces (adapter {corpus.adapter})"


def _presets_fit_the_benchmark(folds: Folds, roles: Roles, corpora: Corpora) -> Iterator[str]:
    from mfer_core.protocol.protocols import PRESET_CORPUS, protocol

    benchmark = corpora.get(roles.benchmark)
    for name in folds.protocols:
        adapter = PRESET_CORPUS.get(protocol(name).speakers_by)
        if benchmark and adapter and adapter != benchmark.adapter:
            yield (
                f"folds.protocols: {name} numbers the actors of {adapter}, "
                f"and the benchmark {roles.benchmark} is {benchmark.adapter}: "
                "name another protocol, such as groupk:5"
            )


def _folders_are_full(corpora: Corpora) -> Iterator[str]:
    from mfer_core.corpora.ingest import check_folder, missing_message

    late = unfetched(corpora)
    for name, corpus in _readable(corpora):
        if corpus.source == "absent":
            corpus.path.mkdir(parents=True, exist_ok=True)  # DVC wants every dependency to be there
        if corpus.source in ("demo", "absent"):
            continue
        if name in late:
            yield f"{name}: not fetched yet: run `mfer fetch {name}`"
            continue
        try:
            folder = check_folder(name, corpus)
        except MferError as fault:
            yield str(fault)
            continue
        if all(path.is_dir() or path.name.startswith(".") for path in folder.rglob("*")):
            yield missing_message(name, corpus).replace("no folder", "nothing in the folder", 1)


def _links_lead_somewhere(corpora: Corpora) -> Iterator[str]:
    """DVC cannot hash a folder with a broken link (its issue 9971), unless .dvcignore names the link."""
    for name, corpus in corpora.items():
        for link in _broken_links(corpus.path) if corpus.source in ("local", "fetch") else ():
            yield (
                f"{name}: {link} is a link to {link.readlink()}, which is not there, and DVC cannot read on: "
                "mend it, remove it, or add its path as a line to .dvcignore"
            )


def _broken_links(folder: Path) -> Iterator[Path]:
    from pathspec import GitIgnoreSpec

    ignore = Path(".dvcignore")
    ignored = GitIgnoreSpec.from_lines(
        ignore.read_text(encoding="utf-8").splitlines() if ignore.exists() else []
    )
    for root, folders, names in os.walk(folder):
        for path in (Path(root, name) for name in (*folders, *names)):
            if path.is_symlink() and not path.exists() and not ignored.match_file(path):
                yield path


def _checkpoints_can_be_had(sections: Sections) -> Iterator[str]:
    from mfer_core.encoders.cards import why_forbidden
    from mfer_core.encoders.checkpoints import why_missing

    for name, section in sections.items():
        checkpoint = getattr(section, "checkpoint", None)
        if not checkpoint:
            continue
        if reason := why_forbidden(checkpoint) or why_missing(checkpoint, section.revision):
            yield f"{name}.checkpoint: {reason}"
        elif section.hash:
            from mfer_core.encoders.lock import FACES, SPEECH, why_not_locked

            kind = FACES if name == "pretrain_vit" else SPEECH
            if reason := why_not_locked(kind, checkpoint, section.revision, section.hash):
                yield f"{name}.checkpoint: {reason}"


def _devices_are_here(sections: Sections) -> Iterator[str]:
    for name, section in sections.items():
        device = getattr(section, "device", "")
        if device.startswith("cuda"):
            from mfer_core.encoders.device import choose_device

            try:
                choose_device(device)
            except MferError as fault:
                yield f"{name}.device: {fault}"


def _readable(corpora: Corpora) -> Iterator[tuple[str, Corpus]]:
    """The corpora whose adapter there is."""
    from mfer_core.corpora.registry import choices

    known = choices()
    return ((name, corpus) for name, corpus in corpora.items() if corpus.adapter in known)


def _holds_faces(corpus: Corpus) -> bool:
    """Whether a corpus is one of face images: its module reads them."""
    from mfer_core.corpora.registry import adapter

    return adapter(corpus.adapter).read_faces is not None


CHECKS: tuple[Callable[..., Iterator[str]], ...] = (
    _adapters_are_there,
    _media_corpora_hold_media,
    _faces_are_faces,
    _presets_fit_the_benchmark,
    _folders_are_full,
    _links_lead_somewhere,
    _checkpoints_can_be_had,
    _devices_are_here,
)
