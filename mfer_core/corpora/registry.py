"""Which corpora can be read. The contract of their modules is in contract.py."""

from importlib import import_module
from types import ModuleType

from mfer_core.corpora import contract
from mfer_core.errors import MferError

ADAPTERS = ("crema_d", "custom", "fer2013", "ravdess", "sdc", "shemo", "urdu")
OPTIONAL = ("prepare", "find", "measure", "notes")


def adapter(name: str) -> ModuleType:
    """The module of a corpus. Raises MferError listing the choices."""
    if name not in ADAPTERS:
        raise MferError(f"unknown corpus adapter {name!r}: choose one of {', '.join(ADAPTERS)}")
    return import_module(f"mfer_core.corpora.{name}")


def verb(module: ModuleType, name: str):
    """A function of a corpus module, or the contract's default where it leaves one out."""
    return getattr(module, name, None) or getattr(contract, name)
