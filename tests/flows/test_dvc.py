"""dvc.yaml tells the truth: what a stage imports of the project is among its dependencies, and nothing
else.
"""

import ast
import inspect
from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec
from prefect import Flow
from ruamel.yaml import YAML

from flows import stages as flows
from flows.pipeline import stages
from mfer_core.cache.code import ROOT, project_files

# Modules that a library runs in a stage: MLflow tries the model that it stores.
RUN_BY_LIBRARIES = {"register": ["tasks.tracking.served_model"]}
PIPELINE = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]


def declared_code(stage: str) -> list[Path]:
    entry = PIPELINE[stage]
    deps = entry.get("do", entry)["deps"]
    return [ROOT / dep for dep in deps if dep.split("/")[0] in ("flows", "tasks", "mfer_core", "demo")]


def used_code(stage: str) -> set[Path]:
    """The project files behind a stage's flow: what flows/stages.py imports for all, and the flow for
    itself.
    """
    tree = ast.parse(inspect.getsource(flows))
    flow = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == stage)
    imports = [node for node in (*tree.body, *ast.walk(flow)) if isinstance(node, ast.ImportFrom)]
    modules = [*(node.module for node in imports), *RUN_BY_LIBRARIES.get(stage, [])]
    files = {file for module in modules for file in project_files(module)}
    return files | {ROOT / "flows" / "stages.py"}


def covers(path: Path, file: Path) -> bool:
    return file == path or path in file.parents


@pytest.mark.parametrize("stage", PIPELINE)
def test_every_module_a_stage_imports_is_a_declared_dependency(stage):
    declared = declared_code(stage)
    missing = [file for file in used_code(stage) if not any(covers(path, file) for path in declared)]
    assert not missing, (
        f"{stage} imports these without declaring them: {[str(file.relative_to(ROOT)) for file in missing]}"
    )


@pytest.mark.parametrize("stage", PIPELINE)
def test_no_stage_declares_code_that_it_does_not_import(stage):
    used = used_code(stage)
    idle = [path for path in declared_code(stage) if not any(covers(path, file) for file in used)]
    assert not idle, (
        f"{stage} declares these without importing them: {[str(path.relative_to(ROOT)) for path in idle]}"
    )


def test_the_flows_are_the_stages_in_the_order_of_dvc_yaml():
    assert [name for name, value in vars(flows).items() if isinstance(value, Flow)] == list(
        stages(ROOT / "dvc.yaml")
    )


def test_dvc_goes_through_no_folder_that_git_ignores_either():
    """Outside git it knows its own list alone, and a whole environment takes it seconds at every command."""
    lines = (ROOT / ".gitignore").read_text().splitlines()
    folders = {line.strip("/") for line in lines if line.endswith("/") and "data" not in line} | {".venv"}
    ignored = GitIgnoreSpec.from_lines((ROOT / ".dvcignore").read_text().splitlines())
    assert len(folders) > 5 and all(ignored.match_file(f"{name}/file") for name in folders)
