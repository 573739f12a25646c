"""dvc.yaml tells the truth: what a stage imports of the project is among its dependencies, and nothing else."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows.catalogue import stages
from mfer_core.cache.code import ROOT, project_files

PIPELINE = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]


def declared_code(stage: str) -> list[Path]:
    entry = PIPELINE[stage]
    deps = entry.get("do", entry)["deps"]
    return [ROOT / dep for dep in deps if dep.split("/")[0] in ("flows", "tasks", "mfer_core", "demo")]


def covers(path: Path, file: Path) -> bool:
    return file == path or path in file.parents


@pytest.mark.parametrize("stage", PIPELINE)
def test_every_module_a_stage_imports_is_a_declared_dependency(stage):
    declared = declared_code(stage)
    missing = [
        file for file in project_files(f"flows.{stage}") if not any(covers(path, file) for path in declared)
    ]
    assert not missing, (
        f"{stage} imports these without declaring them: {[str(file.relative_to(ROOT)) for file in missing]}"
    )


@pytest.mark.parametrize("stage", PIPELINE)
def test_no_stage_declares_code_that_it_does_not_import(stage):
    used = project_files(f"flows.{stage}")
    idle = [path for path in declared_code(stage) if not any(covers(path, file) for file in used)]
    assert not idle, (
        f"{stage} declares these without importing them: {[str(path.relative_to(ROOT)) for path in idle]}"
    )


def test_every_stage_has_a_flow_of_its_name():
    for name in stages(ROOT / "dvc.yaml"):
        assert (ROOT / "flows" / f"{name}.py").is_file()
