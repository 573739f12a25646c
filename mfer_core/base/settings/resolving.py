"""Lists of params.yaml that hold more than the benchmark can use: what is left of them for it.

So another benchmark is one setting, ``roles.benchmark``. A corpus that is benchmark or transfer is no
pretraining corpus, and a preset of published actors is a protocol of the corpus whose actors it numbers.
"""

import re
from collections.abc import Mapping
from typing import Any

from mfer_core.base.settings.types import PRESET_CORPUS, PROTOCOL

# Protocols that share people between the parts; all others hold people out.
_SHARED_PEOPLE = re.compile(r"report5(-inner)?|statement")


def resolve(values: Any) -> tuple[Any, list[str]]:
    """Raw settings with only those pretraining corpora and protocols that fit the benchmark, and the
    registered protocol where none is named; and a sentence per corpus that was left out.

    A list of which nothing would be left stays as it is, as does whatever is not shaped like settings:
    validation then says what is wrong.
    """
    if not isinstance(values, Mapping):
        return values, []
    roles, corpora, folds = (_section(values, name) for name in ("roles", "corpora", "folds"))
    taken = {roles[role]: role for role in ("transfer", "benchmark") if isinstance(roles.get(role), str)}
    pretraining, first = _without(roles.get("pretraining"), lambda name: name in taken)
    adapter = _section(corpora, roles.get("benchmark")).get("adapter")
    fits = (None, adapter)
    protocols, others = _without(folds.get("protocols"), lambda name: _adapter_of(name) not in fits)
    if not any(map(_honest, _known(protocols))):
        protocols, others = folds.get("protocols"), []
    resolved = dict(values)
    if first:
        resolved["roles"] = {**roles, "pretraining": pretraining}
    if others:
        resolved["folds"] = {**folds, "protocols": protocols}
    register = _section(values, "register")
    if register and not register.get("protocol"):
        known = sorted(_known(protocols), key=_honest, reverse=True)
        named = {name: value for name, value in register.items() if name != "protocol"}
        resolved["register"] = named | ({"protocol": known[0]} if known else {})
    return resolved, [
        f"roles.pretraining: {name} is left out, as it is the {taken[name]} corpus" for name in first
    ]


def _section(values: Mapping, name: Any) -> Mapping:
    section = values.get(name) if isinstance(name, str) else None
    return section if isinstance(section, Mapping) else {}


def _without(names: Any, left_out: Any) -> tuple[Any, list[str]]:
    """A list of names without those that are ``left_out``, and these; untouched where nothing would stay."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return names, []
    kept = [name for name in names if not left_out(name)]
    return (kept, [name for name in names if left_out(name)]) if kept else (names, [])


def _adapter_of(protocol: str) -> str | None:
    return PRESET_CORPUS.get(protocol.removeprefix("statement+"))


def _known(protocols: Any) -> list[str]:
    names = protocols if isinstance(protocols, list) else []
    return [name for name in names if isinstance(name, str) and PROTOCOL.fullmatch(name)]


def _honest(protocol: str) -> bool:
    return not _SHARED_PEOPLE.fullmatch(protocol)
