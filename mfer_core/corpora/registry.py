"""Which corpora can be read: the modules of this package that keep the contract of contract.py."""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from mfer_core import corpora
from mfer_core.base.errors import MferError
from mfer_core.corpora import contract

REQUIRED = ("SOURCE", "LANGUAGE", "read")


def adapter(name: str) -> contract.Adapter:
    """How a corpus is read. Raises MferError listing the choices."""
    module = _load(name) if name in _modules() else None
    if module is None:
        raise MferError(f"unknown corpus adapter {name!r}: choose one of {', '.join(choices())}")
    functions = {
        verb: getattr(module, verb, None) or getattr(contract, verb)
        for verb in ("prepare", "find", "measure", "notes")
    }
    return contract.Adapter(
        name=name,
        source=module.SOURCE,
        language=module.LANGUAGE,
        read=module.read,
        read_faces=getattr(module, "read_faces", None),
        **functions,
    )


def choices() -> list[str]:
    """The names of all corpora that can be read."""
    return [name for name in _modules() if _load(name)]


def _modules() -> list[str]:
    return sorted(module.name for module in iter_modules(corpora.__path__))


def _load(name: str) -> ModuleType | None:
    """A module of this package, if it is a corpus."""
    module = import_module(f"{corpora.__name__}.{name}")
    return module if all(hasattr(module, required) for required in REQUIRED) else None
