"""A project outside the checkout, as `mfer init` lays it out for an installed package."""

import tomllib

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from flows import pipeline, project
from flows.__main__ import main
from flows.check import check_project
from flows.project import initialise, record_code
from mfer_core.base.errors import MferError
from mfer_core.base.settings import load_settings
from mfer_core.cache.code import PACKAGES, ROOT
from tasks.dvc_plan import plan


def test_a_project_has_the_stages_of_the_checkout_and_depends_on_the_installed_code(tmp_path, monkeypatch):
    assert main(["init", str(tmp_path / "mine")]) == 0
    monkeypatch.chdir(tmp_path / "mine")
    settings = check_project()
    assert settings == load_settings(ROOT / "params.yaml")
    steps = plan(settings, [])
    monkeypatch.chdir(ROOT)
    assert {step.name: step.needs for step in steps} == {step.name: step.needs for step in plan(settings, [])}
    monkeypatch.chdir(tmp_path / "mine")
    with Repo() as repo:
        read = {dep.def_path for stage in repo.index.stages for dep in stage.deps}
    assert "code.txt" in read and not {path for path in read if path.split("/")[0] in PACKAGES}


def test_another_version_of_the_package_makes_every_stage_stale_and_the_same_one_none(tmp_path, monkeypatch):
    initialise(tmp_path)
    before = (tmp_path / "code.txt").read_text()
    record_code(tmp_path)
    assert (tmp_path / "code.txt").read_text() == before
    monkeypatch.setattr(project, "project_digest", lambda: "another")
    record_code(tmp_path)
    assert (tmp_path / "code.txt").read_text() == before.rsplit(" ", 1)[0] + " another\n"
    for entry in YAML(typ="safe").load((tmp_path / "dvc.yaml").read_text())["stages"].values():
        assert "code.txt" in entry.get("do", entry)["deps"]


def test_a_checkout_has_no_such_file_and_gets_none(tmp_path):
    record_code(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(MferError, match="not empty"):
        initialise(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_installed_package_finds_what_it_brought(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "PROJECT", tmp_path / "site-packages")
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(MferError, match=r"has no dvc\.yaml: install it again"):
        pipeline.project_file("dvc.yaml")
    (tmp_path / "share" / "mfer").mkdir(parents=True)
    (tmp_path / "share" / "mfer" / "dvc.yaml").touch()
    assert pipeline.project_file("dvc.yaml") == tmp_path / "share" / "mfer" / "dvc.yaml"


def test_the_package_brings_all_that_is_laid_out():
    files = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    brought = {name for names in files.values() for name in names}
    single = {name for name in (*project.COPIED, project.PIPELINE, project.DEPLOYMENT) if name != "profiles"}
    assert single | {"profiles/*.yaml"} == brought
