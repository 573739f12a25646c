"""Import of single classes of FunASR.

``import funasr`` imports every model it has (7-9 s of CPU, hundreds of MB). A class needs a few small files
of that package, so a bare package object that only knows where FunASR lies stands in for it while they are
imported and the model is built; afterwards the stand-in and its submodules are taken away again, and a real
``import funasr`` works as ever.
"""

import importlib
import importlib.machinery
import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from types import ModuleType

from mfer_core.base.errors import MferError

PACKAGE = "funasr"
_LOCK = threading.RLock()


@contextmanager
def emotion2vec_class() -> Iterator[type]:
    """Yield ``funasr.models.emotion2vec.model.Emotion2vec`` as ``funasr_class`` does."""
    with funasr_class("emotion2vec", "Emotion2vec") as emotion2vec:
        yield emotion2vec


@contextmanager
def funasr_class(model: str, name: str) -> Iterator[type]:
    """Yield class ``name`` of ``funasr.models.<model>.model``; build models inside (their blocks import more
    of the package).
    """
    with _LOCK:
        ours = PACKAGE not in sys.modules
        if ours:
            sys.modules[PACKAGE] = _stand_in()
        try:
            # FunASR's audio loader prints a notice about ffmpeg, which is not used here.
            with redirect_stdout(io.StringIO()):
                module = importlib.import_module(f"{PACKAGE}.models.{model}.model")
            yield getattr(module, name)
        finally:
            if ours:
                for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
                    del sys.modules[name]


def _stand_in() -> ModuleType:
    spec = importlib.machinery.PathFinder.find_spec(PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        raise MferError("funasr is not installed: emotion2vec needs it (pip install 'funasr>=1.4,<2')")
    package = ModuleType(PACKAGE)
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = spec
    return package
