"""Profiles: profiles/default.yaml is complete, every other file there says only what differs."""

from collections.abc import MutableMapping
from pathlib import Path

from ruamel.yaml.comments import CommentedMap

from mfer_core.base.errors import MferError
from mfer_core.base.files import atomic_path
from mfer_core.base.settings import load_settings
from mfer_core.base.settings.reading import read_yaml, yaml_layout

PROFILES = Path("profiles")


def names(folder: Path = PROFILES) -> list[str]:
    """The profiles there are."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def check_name(name: str) -> None:
    """Raises MferError naming the profiles when it is none."""
    if name not in names():
        raise MferError(f"unknown profile {name!r}: choose one of {', '.join(names())}")


def write_profile(name: str, out: Path) -> None:
    """Write the settings of a profile to ``out``. Raises MferError naming the profiles, or the key at
    fault."""
    save_settings(_profile(name), out)


def save_settings(values: MutableMapping, path: Path) -> None:
    """Write settings that ``read_yaml`` gave with their layout. Raises MferError naming the key at fault, and
    then leaves ``path`` as it is.
    """
    with atomic_path(path) as temporary:
        with temporary.open("w", encoding="utf-8") as file:
            yaml_layout().dump(values, file)
        load_settings(temporary)


def switch_profile(name: str, path: Path) -> None:
    """Like ``write_profile``, but raises MferError where ``path`` says something of its own, which would be
    lost."""
    present = read_yaml(path)
    old = present.get("profile") if isinstance(present, dict) else None
    if old not in names():
        raise MferError(
            f"{path} is no profile's (profile: {old}): save it as profiles/NAME.yaml, "
            "or run it without naming a profile"
        )
    if edited := _differences(present, _profile(old)):
        raise MferError(
            f"{path} differs from profile {old} in {', '.join(edited)}, which switching to {name} would "
            f"lose: put that into a file of profiles/, take it back (mfer profile {old}), or run "
            "it without naming a profile"
        )
    write_profile(name, path)


def _profile(name: str) -> MutableMapping:
    check_name(name)
    settings = read_yaml(PROFILES / "default.yaml", keep_layout=True)
    if name != "default":
        changes = read_yaml(PROFILES / f"{name}.yaml", keep_layout=True)
        if not isinstance(changes, MutableMapping):
            raise MferError(f"{PROFILES / name}.yaml holds no sections with settings")
        _merge(settings, changes)
        if "corpora" in changes:
            # The blank line after the removed section `corpora`.
            settings.yaml_set_comment_before_after_key("roles", before="\n")
    settings["profile"] = name
    _stack_lists(settings)
    return settings


def _stack_lists(section: MutableMapping) -> None:
    """Every list with an item per line and without remarks: as `dvc exp run -S` writes all of them, whichever
    it changes."""
    for key, value in section.items():
        if isinstance(value, MutableMapping):
            _stack_lists(value)
        elif isinstance(value, list):
            section[key] = list(value)


def _differences(one: object, other: object, key: str = "") -> list[str]:
    """The dotted keys at which two trees of settings differ."""
    if isinstance(one, MutableMapping) and isinstance(other, MutableMapping):
        return [
            differing
            for name in {**one, **other}
            for differing in _differences(one.get(name), other.get(name), f"{key}.{name}".lstrip("."))
        ]
    return [] if one == other else [key]


def _merge(base: CommentedMap, change: MutableMapping) -> None:
    """Overlay ``change``: sections merge; values, lists and the map of corpora replace; new keys come first
    in a section."""
    added = [key for key in change if key not in base]
    for at, key in enumerate(added):
        base.insert(at, key, change[key])
    for key, value in change.items():
        if (
            isinstance(value, MutableMapping)
            and isinstance(base.get(key), MutableMapping)
            and key != "corpora"
        ):
            _merge(base[key], value)
        else:
            base[key] = value
