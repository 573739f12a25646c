"""Which project files a module runs, read from its imports: keys and DVC's dependencies are both made from
this list.
"""

import tokenize
from functools import cache
from modulefinder import ModuleFinder
from pathlib import Path
from types import CodeType

from mfer_core.base.files import digest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("mfer_core", "tasks", "flows", "demo")
# Modules whose code never changes a computed value (keys hold the settings' values themselves) are left out
# of the digest.
SHAPE_NOTHING = tuple(
    ROOT / "mfer_core" / "base" / name for name in ("settings", "errors.py", "progress.py", "paths.py")
)


def module_file(module: str) -> Path | None:
    """The file of a project module by dotted name, None when there is none."""
    base = ROOT.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _imports(path: Path) -> set[str]:
    """The imported names, read from compiled code, because CPython 3.11 builds ast objects wrongly when
    threads do so at once.
    """
    todo, names = [compile(path.read_text(encoding="utf-8"), str(path), "exec", dont_inherit=True)], set()
    while todo:
        code = todo.pop()
        todo += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        for kind, details in ModuleFinder().scan_opcodes(code):
            if kind == "absolute_import":
                members, module = details
                names |= {module} | {f"{module}.{member}" for member in members or ()}
    return {name for name in names if name.split(".")[0] in PACKAGES}


@cache
def project_files(entry: str, around: tuple[Path, ...] = ()) -> tuple[Path, ...]:
    """Every project file that importing ``entry`` (dotted) can run, imports inside functions included.

    Files in ``around``, and what only they import, are left out. Empty ``__init__`` files shape nothing and
    are left out too.
    """
    todo, seen = [entry], set()
    while todo:
        path = module_file(todo.pop())
        if path and path not in seen and not any(path.is_relative_to(outer) for outer in around):
            seen.add(path)
            todo += sorted(_imports(path))
    return tuple(sorted(path for path in seen if path.stat().st_size))


@cache
def code_digest(entry: str) -> str:
    """A hash of the code that shapes what ``entry`` computes; comments and layout do not count."""
    return digest([_tokens(path) for path in project_files(entry, SHAPE_NOTHING)])


def _tokens(path: Path) -> list[str]:
    with path.open("rb") as file:
        return [
            token.string
            for token in tokenize.tokenize(file.readline)
            if token.type not in (tokenize.COMMENT, tokenize.NL)
        ]


@cache
def project_digest() -> str:
    """A hash of all code that flows, tasks and stages run, as of this process's first call."""
    return digest(
        {
            str(path.relative_to(ROOT)): _tokens(path)
            for package in PACKAGES
            for path in sorted((ROOT / package).rglob("*.py"))
        }
    )
