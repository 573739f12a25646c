"""What a person types, and the one line that they read when it is wrong."""

import io
import re
import shutil
import subprocess
import sys
import tomllib

import pandas as pd
import pytest
from ruamel.yaml import YAML

from flows.__main__ import main
from flows.check import check_project
from flows.seconds import recorded_seconds
from flows.show import GAP, PAIRS, RESULTS
from mfer_core.cache.code import ROOT

REAL = ("ravdess", "crema_d", "shemo", "sdc", "urdu", "custom")  # of profile report


def not_there(*_arguments, **_options) -> None:
    raise OSError("not in the local cache")


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


def faults_said(capsys) -> list[str]:
    """The lines on stderr, each of which is a fault."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines and all(line.startswith("error: ") for line in lines), lines
    return [line.removeprefix("error: ") for line in lines]


def change_settings(project, change) -> None:
    yaml = YAML()
    values = yaml.load(project / "params.yaml")
    change(values)
    yaml.dump(values, project / "params.yaml")


@pytest.mark.parametrize("empty", [False, True], ids=["no folder", "nothing in the folder"])
def test_a_profile_names_all_that_is_missing_and_how_to_get_it(project, capsys, monkeypatch, empty):
    for asked in ("_from_huggingface", "_ask_huggingface"):
        monkeypatch.setattr(f"mfer_core.encoders.checkpoints.{asked}", not_there)
    for name in REAL:
        (project / "data" / "raw" / name).mkdir(parents=True) if empty else None
    assert main(["profile", "report"]) == 1
    lines = faults_said(capsys)
    for name in REAL:
        (line,) = [line for line in lines if line.startswith(f"{name}: ")]
        assert f"{'nothing in the folder' if empty else 'no folder'} data/raw/{name}: " in line
        assert f"into data/raw/{name}" in line
    for checkpoint in ("dima806/facial_emotions_image_detection", "emotion2vec/emotion2vec_plus_base"):
        assert sum(f"into data/checkpoints/{checkpoint}" in line for line in lines) == 1
    assert len(lines) == len(REAL) + 2
    assert any("zenodo" in line.lower() for line in lines)


def test_faults_in_the_settings_and_what_is_missing_are_said_together(project, capsys):
    def spoil(values):
        values["corpora"]["ravdess"]["adapter"] = "ravdes"
        values["corpora"]["urdu"] |= {"source": "local", "path": "data/raw/urdu"}
        values["corpora"]["shemo"]["source"] = "feched"
        values["embed"]["device"] = "cuda:77"
        values["train_audio"]["device"] = "cdua"
        values["roles"]["transfer"] = "ravdess"
        values["media_corpora"] = [*values["media_corpora"][:-1], "fer2013"]

    change_settings(project, spoil)
    assert main(["check"]) == 1
    lines = faults_said(capsys)
    for words in (
        "corpora.ravdess.adapter is 'ravdes': choose one of",
        "urdu: no folder data/raw/urdu",
        "corpora.shemo.source is 'feched'",
        "embed.device: device 'cuda:77' is not available",
        "train_audio.device is 'cdua'",
        "ravdess is benchmark and transfer: one corpus, one role",
        "media_corpora: fer2013 holds images of faces",
        "media_corpora lacks custom, which holds recordings",
    ):
        assert sum(words in line for line in lines) == 1, (words, lines)


def test_a_preset_of_another_corpus_is_refused_before_anything_runs(project, capsys):
    def swap(values):
        values["roles"] |= {"benchmark": "sdc", "pretraining": ["urdu"]}

    change_settings(project, swap)
    assert main(["check"]) == 1
    luna5, hicmae5 = faults_said(capsys)
    assert "luna5 numbers the actors of ravdess" in luna5 and "actors of crema_d" in hicmae5


def test_a_broken_link_is_named_until_it_is_ignored(project, capsys):
    folder = project / "data" / "raw" / "urdu" / "Angry"
    folder.mkdir(parents=True)
    (folder / "SM1_F1_A01.wav").write_bytes(b"x")
    (folder / "SM2_F2_A02.wav").symlink_to("gone.wav")
    local = {"source": "local", "path": "data/raw/urdu"}
    change_settings(project, lambda values: values["corpora"]["urdu"].update(local))
    assert main(["check"]) == 1
    line = said(capsys)
    assert "data/raw/urdu/Angry/SM2_F2_A02.wav is a link to gone.wav" in line and ".dvcignore" in line
    (project / ".dvcignore").write_text("/data/raw/urdu/Angry/SM2_F2_A02.wav\n")
    assert main(["check"]) == 0


def test_an_absent_corpus_is_one_word(project, capsys):
    def leave_out(values):
        values["corpora"]["sdc"] |= {"source": "absent", "path": "data/raw/sdc"}
        values["corpora"]["custom"] |= {"source": "absent", "path": "data/raw/custom"}

    change_settings(project, leave_out)
    assert main(["check"]) == 0
    assert (project / "data" / "raw" / "sdc").is_dir()  # what DVC has as a dependency


def test_an_unknown_key_in_the_settings_is_one_line(project, capsys):
    change_settings(project, lambda values: values["embed"].update(dtyp="float16"))
    assert main(["check"]) == 1
    assert "unknown key embed.dtyp; choices there: dtype" in said(capsys)


def test_a_synthetic_corpus_is_not_fetched_into_and_one_to_fetch_is_asked_for(project, capsys):
    assert main(["fetch", "ravdess"]) == 1
    assert "ravdess is synthetic in these settings" in said(capsys)
    fetched = {"adapter": "urdu", "source": "fetch", "path": "data/raw/urdu"}
    change_settings(project, lambda values: values["corpora"].update(urdu=fetched))
    assert main(["check"]) == 1
    assert "urdu: not fetched yet: run `mfer fetch urdu`" in said(capsys)
    assert check_project(may_fetch=True).corpora["urdu"].source == "fetch"


def test_the_default_settings_are_in_order(project, capsys):
    assert main(["check"]) == 0
    assert "profile default" in capsys.readouterr().out


def test_a_published_encoder_without_a_commit_is_said_and_is_no_fault(project, capsys):
    def publish(values):
        values["pretrain_vit"]["checkpoint"] = "someone/faces"

    change_settings(project, publish)
    (project / "data" / "checkpoints" / "someone" / "faces").mkdir(parents=True)
    assert main(["check"]) == 0
    assert "note: pretrain_vit names neither a commit nor a hash of someone/faces" in capsys.readouterr().out
    change_settings(project, lambda values: values["pretrain_vit"].update(revision="abc"))
    assert main(["check"]) == 0
    assert "note:" not in capsys.readouterr().out


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
        (["mfer", "--corpora", "nope"], "unknown corpus 'nope'"),
        (["mfer", "--stages", "nope"], "unknown stage 'nope': choose one of demo, "),
        (["mfer", "--profile", "nope"], "unknown profile 'nope': choose one of default, "),
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


def test_the_console_command_is_this_program_and_names_its_commit(capsys, monkeypatch):
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"mfer": "flows.__main__:program"}
    assert main(["--version"]) == 0
    assert re.fullmatch(r"mfer \d+\.\d+\.\d+( \(commit [0-9a-f]{7,}\+?\))?\n", capsys.readouterr().out)
    monkeypatch.setenv("PATH", "")
    assert main(["--version"]) == 0, "no git is no fault"


def test_a_pipe_that_takes_ascii_only_loses_no_letter(project, monkeypatch):
    tables = project / "data" / "evaluate" / "tables"
    tables.mkdir(parents=True)
    for name, columns in (("results", RESULTS), ("pairs", ["comparison", *PAIRS]), ("leakage", GAP)):
        pd.DataFrame([["ü"] * len(columns)], columns=columns).to_csv(tables / f"{name}.csv", index=False)
    (tables / "results.md").touch()
    pipe = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", pipe)
    assert main(["show"]) == 0
    assert rb"\xfc" in pipe.buffer.getvalue()


def test_a_folder_that_cannot_be_written_is_one_line(project, capsys):
    (project / ".prefect").write_text("in the way of a folder, as a read-only disk would be")
    assert main(["folds"]) == 1
    assert said(capsys) == "error: not a directory: .prefect/working"


@pytest.mark.parametrize("content", ["", "[]", '{"folds": 3, "demo": {"seconds": 2.5, "ended": 1.0}}'])
def test_a_broken_record_of_seconds_is_made_anew(project, content):
    (project / ".prefect").mkdir()
    (project / ".prefect" / "seconds.json").write_text(content)
    assert recorded_seconds() in ({}, {"demo": {"seconds": 2.5, "ended": 1.0}})


def test_an_exit_with_a_message_is_shown_and_a_failure(monkeypatch, capsys):
    monkeypatch.setattr("flows.commands.app", lambda *given, **named: sys.exit("no such thing"))
    assert main([]) == 1
    assert capsys.readouterr().err == "no such thing\n"
