"""The commit behind a result; without git it is unknown, and no result is lost."""

import subprocess
from pathlib import Path

import pytest

from mfer_core.base.settings import load_settings
from mfer_core.cache.code import ROOT
from tasks.tracking.lineage import lineage


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return load_settings(ROOT / "params.yaml")


def test_the_commit_has_a_plus_where_files_were_changed(settings, monkeypatch):
    for name in ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL"):
        monkeypatch.setenv(f"GIT_{name}", "x@y")
    Path("a").write_text("1")
    for command in (["init", "-q"], ["add", "a"], ["commit", "-qm", "start"]):
        subprocess.run(["git", *command], check=True)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    assert lineage(settings)["git_commit"] == commit
    Path("a").write_text("2")
    assert lineage(settings)["git_commit"] == f"{commit}+"


def test_without_a_repository_or_without_the_program_git_the_commit_is_unknown(settings, monkeypatch):
    assert lineage(settings)["git_commit"] == "unknown"
    monkeypatch.setenv("PATH", "")
    tags = lineage(settings)
    tags.pop("mfer.process")
    assert tags == {
        "git_commit": "unknown",
        "dvc_lock": "",
        "dvc_experiment": "",
        "profile": "default",
        "data": "synthetic demonstration",
    }
