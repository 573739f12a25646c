"""What a person types, and the one line that they read when it is wrong."""

import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from ruamel.yaml import YAML

from flows.__main__ import main
from mfer_core.cache.code import ROOT


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project with the committed settings."""
    for name in ("params.yaml", "dvc.yaml", "prefect.toml", "profiles"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys) -> str:
    """The single line on stderr."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_a_missing_corpus_folder_says_where_to_get_it_and_where_to_put_it(project, capsys):
    assert main(["profile", "report"]) == 1
    line = said(capsys)
    assert line.startswith("error: ravdess: no folder data/raw/ravdess")
    assert "zenodo" in line.lower()


def test_an_unknown_key_in_the_settings_is_one_line(project, capsys):
    yaml = YAML()
    values = yaml.load(project / "params.yaml")
    values["embed"]["dtyp"] = "float16"
    yaml.dump(values, project / "params.yaml")
    assert main(["check"]) == 1
    assert "unknown key embed.dtyp; choices there: dtype" in said(capsys)


def test_a_synthetic_corpus_is_not_fetched_into_and_one_to_fetch_is_asked_for(project, capsys):
    assert main(["fetch", "ravdess"]) == 1
    assert "ravdess is synthetic in these settings" in said(capsys)
    yaml = YAML()
    values = yaml.load(project / "params.yaml")
    values["corpora"]["urdu"] = {"adapter": "urdu", "source": "fetch", "path": "data/raw/urdu"}
    yaml.dump(values, project / "params.yaml")
    assert main(["check"]) == 1
    assert "not fetched yet: urdu: run `python -m flows fetch urdu`" in said(capsys)


def test_the_default_settings_are_in_order(project, capsys):
    assert main(["check"]) == 0
    assert "profile default" in capsys.readouterr().out


def test_results_that_are_not_there_yet_are_asked_for(project, capsys):
    assert main(["show"]) == 1
    assert "dvc repro" in said(capsys)


def test_outside_the_project_it_says_where_to_stand(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 1
    assert "project's folder" in said(capsys)


def test_an_unknown_stage_is_refused_with_likely_ones(project, capsys):
    assert main(["train"]) == 2
    assert "No such command 'train'. Did you mean 'train_" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["ingest", "--corpus", "nope"], "unknown corpus 'nope': choose one of ravdess, "),
        (["extract", "--corpus", "fer2013"], "extract runs for ravdess, .* only, not for fer2013"),
        (["worker", "foo"], "'foo' is no scheduler's address: write tcp://HOST:PORT"),
    ],
)
def test_a_wrong_name_is_refused_before_anything_starts(project, capsys, command, line):
    assert main(command) == 1
    assert re.search(line, said(capsys))
    assert not (project / ".prefect").exists()


def test_help_and_completion_answer_at_once():
    """Seconds depend on the machine; what is imported does not."""
    heavy = {"prefect", "pydantic", "pandas", "numpy", "torch", "mlflow", "dvc", "rich", "httpx"}
    code = (
        "import sys, flows.__main__ as program; print(program.main(['--help']), set(sys.modules) & "
        + repr(heavy)
        + ")"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "0 set()"
    assert "train_fused" in result.stdout and "predict" in result.stdout


def test_the_console_command_is_this_program_and_names_its_commit(capsys):
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"mfer": "flows.__main__:main"}
    assert main(["--version"]) == 0
    assert re.fullmatch(r"mfer \d+\.\d+\.\d+( \(commit [0-9a-f]{7,}\+?\))?\n", capsys.readouterr().out)
