"""The command lock-encoders: the published encoders that are on this machine, by revision and hash, in the
settings.
"""

from collections.abc import MutableMapping
from pathlib import Path
from typing import NamedTuple

from flows.profiles import save_settings
from mfer_core.base.errors import MferError
from mfer_core.base.settings import load_settings
from mfer_core.base.settings.reading import read_yaml
from mfer_core.encoders.lock import FACES, SPEECH, VOICES, Lock, lock_of

PARAMS = Path("params.yaml")


class Named(NamedTuple):
    """The settings that name a published encoder."""

    kind: str
    section: str
    encoder: str
    revision: str | None  # None: there is no such setting
    hash: str


NAMED = (
    Named(FACES, "pretrain_vit", "checkpoint", "revision", "hash"),
    Named(SPEECH, "pretrain_emotion2vec", "checkpoint", "revision", "hash"),
    Named(FACES, "predict", "image_encoder", "image_revision", "image_hash"),
    Named(SPEECH, "predict", "speech_encoder", "speech_revision", "speech_hash"),
    Named(VOICES, "predict", "voice_encoder", None, "voice_hash"),
)


def lock_settings() -> list[str]:
    """Write revision and hash of every encoder that is here into params.yaml; returns a line for each that
    the settings name. Raises MferError where none is here.
    """
    settings, values, lines, locked = load_settings(PARAMS), read_yaml(PARAMS, keep_layout=True), [], False
    for named in NAMED:
        section = getattr(settings, named.section)
        checkpoint = getattr(section, named.encoder)
        if not checkpoint:
            continue
        revision = getattr(section, named.revision) if named.revision else None
        lock = lock_of(named.kind, checkpoint, revision)
        at = f"{named.section}.{named.encoder}: {checkpoint}"
        if lock is None:
            lines.append(f"{at} is not on this machine: not locked")
            continue
        locked = True
        lines.append(f"{at}, {_words(lock)}{_change(getattr(section, named.hash), lock.hash)}")
        _write(values.setdefault(named.section, {}), named, lock)
    if not locked:
        raise MferError(f"no published encoder to lock: {'; '.join(lines)}")
    save_settings(values, PARAMS)
    return lines


def _write(section: MutableMapping, named: Named, lock: Lock) -> None:
    if named.revision and lock.revision:
        section[named.revision] = lock.revision
    section[named.hash] = lock.hash


def _words(lock: Lock) -> str:
    return f"revision {lock.revision or 'not known'}, hash {lock.hash}"


def _change(before: str | None, now: str) -> str:
    if before is None:
        return ""
    return " (as before)" if before == now else f" (before: {before})"
