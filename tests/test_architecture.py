"""docs/architecture.md is true: its diagrams equal dvc.yaml and the imports, and what it names is there. And
files and functions are short.
"""

import ast
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from mfer_core.cache.code import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGES = (
    "flows",
    "tasks",
    "demo",
    *sorted(f"mfer_core/{path.parent.name}" for path in (ROOT / "mfer_core").glob("*/__init__.py")),
)
CODE = ("flows", "tasks", "demo", "mfer_core", "benchmarks", "examples", "tests")
FILE_LINES, FUNCTION_LINES = 300, 50
Edges = set[tuple[str, str]]


def drawn(heading: str) -> Edges:
    """The arrows of the Mermaid diagram below a heading."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    diagram = re.search(r"```mermaid\n(.*?)```", section, re.DOTALL)[1]
    return set(re.findall(r"^\s*([\w/]+) --> ([\w/]+)$", diagram, re.MULTILINE))


def stage_edges() -> Edges:
    """Stage -> stage that reads what it writes. A folder stands for all that lies in it."""
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    bodies = {name: entry.get("do", entry) for name, entry in stages.items()}

    def folders(entries: list) -> set[str]:
        names = [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]
        return {
            re.sub(r"/?\$\{.*", "", name).removeprefix("data/") for name in names if name.startswith("data/")
        }

    written = {
        name: folders(body["outs"] + body.get("metrics", []) + body.get("plots", []))
        for name, body in bodies.items()
    }
    return {
        (writer, reader)
        for reader, body in bodies.items()
        for folder in folders(body["deps"])
        for writer, outs in written.items()
        if writer != reader
        and any(out == folder or out.startswith(f"{folder}/") or folder.startswith(f"{out}/") for out in outs)
    } | {("demo", "ingest")}  # by ${item.path}, the corpus's raw folder


def package_of(path: str) -> str | None:
    return next((name for name in PACKAGES if path == name or path.startswith(f"{name}/")), None)


def import_edges() -> Edges:
    edges = set()
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module:
                    names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                edges |= {
                    (package, target) for name in names if (target := package_of(name.replace(".", "/")))
                }
    return {(source, target) for source, target in edges if source != target}


def without_detours(edges: Edges) -> Edges:
    """The edges that no longer way goes beside: what a diagram can show and be read."""

    def reaches(start: str, end: str, but: tuple[str, str]) -> bool:
        todo, seen = [start], set()
        while todo:
            here = todo.pop()
            for edge in edges - {but}:
                if edge[0] == here and edge[1] not in seen:
                    seen.add(edge[1])
                    todo.append(edge[1])
        return end in seen

    return {edge for edge in edges if not reaches(*edge, but=edge)}


def test_the_stages_are_drawn_as_dvc_runs_them():
    assert drawn("The stages") == without_detours(stage_edges())


def test_the_packages_are_drawn_as_they_import_each_other():
    assert drawn("The packages") == without_detours(import_edges())


def test_no_package_imports_in_a_circle():
    edges = import_edges()
    while leaves := {target for _, target in edges} - {source for source, _ in edges}:
        edges = {edge for edge in edges if edge[1] not in leaves}
    assert not edges, f"these import each other: {sorted(edges)}"


def code_files() -> list[Path]:
    return [path for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))]


def test_files_and_functions_are_short_enough_to_be_read_at_once():
    """A file of more lines does more than one thing, and a longer function does not fit on a screen."""
    long = {}
    for path in code_files():
        text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
        lengths = {name: (text.count("\n"), FILE_LINES)} | {
            f"{name}:{node.name}": (node.end_lineno - node.lineno + 1, FUNCTION_LINES)
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        long |= {what: lines for what, (lines, limit) in lengths.items() if lines > limit}
    assert not long


@pytest.mark.parametrize("file, name", sorted(set(re.findall(r"`([\w/]+\.py):(\w+)`", PAGE))))
def test_every_function_that_is_named_is_where_it_is_said_to_be(file, name):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert name in defined


def test_every_file_that_is_named_is_there():
    named = set(
        re.findall(r"`((?:flows|tasks|mfer_core|demo|tests|docs|benchmarks|profiles)/[\w/.-]*)`", PAGE)
    )
    assert named
    assert not {name for name in named if not (ROOT / Path(name)).exists()}
