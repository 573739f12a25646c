"""Which corpora can be read: the modules of this package that keep the contract of contract.py."""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from mfer_core import corpora
from mfer_core.base.errors import MferError
from mfer_core.corpora import contract

REQUIRED = ("SOURCE", "LANGUAGE", "SUFFIXES", "read")
OPTIONAL = ("prepare", "find", "measure", "notes")


def adapter(name: str) -> ModuleType:
    """The module of a corpus. Raises MferError listing the choices."""
    module = _load(name) if name in _modules() else None
    if module is None:
        raise MferError(f"unknown corpus adapter {name!r}: choose one of {', '.join(choices())}")
    return module


def choices() -> list[str]:
    """The names of all corpora that can be read."""
    return [name for name in _modules() if _load(name)]


def _modules() -> list[str]:
    return sorted(module.name for module in iter_modules(corpora.__path__))


def _load(name: str) -> ModuleType | None:
    """A module of this package, if it is a corpus."""
    module = import_module(f"{corpora.__name__}.{name}")
    return module if all(hasattr(module, required) for required in REQUIRED) else None


def verb(module: ModuleType, name: str):
    """A function of a corpus module, or the contract's default where it leaves one out."""
    return getattr(module, name, None) or getattr(contract, name)
