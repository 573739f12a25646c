"""Which project files a module runs, read from its imports: keys and DVC's dependencies both stand on it."""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("mfer_core", "tasks", "flows")
# They say things and carry values but shape none: keys hold the values themselves, so a new setting spoils no cache.
SHAPE_NOTHING = tuple(ROOT / "mfer_core" / name for name in ("settings.py", "errors.py", "progress.py"))


def module_file(module: str) -> Path | None:
    """The file of a project module by dotted name, None when there is none."""
    base = ROOT.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] in PACKAGES}


@cache
def project_files(entry: str) -> tuple[Path, ...]:
    """Every project file that importing ``entry`` (dotted) can run, imports inside functions included.

    Empty ``__init__`` files shape nothing and are left out.
    """
    todo, seen = [entry], set()
    while todo:
        path = module_file(todo.pop())
        if path and path not in seen:
            seen.add(path)
            todo += sorted(_imports(path))
    return tuple(sorted(path for path in seen if path.stat().st_size))


@cache
def code_digest(entry: str) -> str:
    """A hash of the code that shapes what ``entry`` computes; comments and layout do not count."""
    files = [path for path in project_files(entry) if path not in SHAPE_NOTHING]
    text = "\n".join(ast.dump(ast.parse(path.read_text(encoding="utf-8"))) for path in files)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
