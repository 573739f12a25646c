"""Profiles: profiles/default.yaml is complete, every other file there says only what differs."""

from collections.abc import MutableMapping
from pathlib import Path

from ruamel.yaml import YAML

from mfer_core.errors import MferError
from mfer_core.files import atomic_path
from mfer_core.settings import load_settings

PROFILES = Path("profiles")


def write_profile(name: str, out: Path) -> None:
    """Write the settings of a profile to ``out``. Raises MferError naming the profiles, or the key at fault."""
    names = sorted(path.stem for path in PROFILES.glob("*.yaml"))
    if name not in names:
        raise MferError(f"unknown profile {name!r}: choose one of {', '.join(names)}")
    yaml = YAML()
    yaml.width = 200
    yaml.preserve_quotes = True
    yaml.representer.add_representer(type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null"))
    settings = yaml.load(PROFILES / "default.yaml")
    if name != "default":
        _merge(settings, yaml.load(PROFILES / f"{name}.yaml"))
    settings["profile"] = name
    with atomic_path(out) as temporary:
        with temporary.open("w", encoding="utf-8") as file:
            yaml.dump(settings, file)
        load_settings(temporary)


def _merge(base: MutableMapping, change: MutableMapping) -> None:
    """Overlay ``change``: sections merge; values, lists and the map of corpora replace."""
    for key, value in change.items():
        if isinstance(value, MutableMapping) and key != "corpora":
            _merge(base[key], value)
        else:
            base[key] = value
