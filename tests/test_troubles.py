"""The README's table "When DVC stops": DVC really says these words, and `mfer check` is the way on."""

import json
import re
import shutil
from pathlib import Path

import pytest
from dvc.cli import main as dvc
from ruamel.yaml import YAML

from flows.__main__ import main as mfer
from mfer_core.cache.code import ROOT
from tasks.dvc_locks import RECORD
from tests.corpora.media_files import write_wav

ROWS = re.findall(
    r"^\| `(.+?)` \| ", (ROOT / "README.md").read_text().partition("## When DVC stops")[2], re.M
)
CORPUS = Path("data/raw/mine")
REPRO = ["repro", "ingest@custom", "--dry"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The committed settings with one corpus of a person's own, in a folder from a zip that DVC knows of."""
    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "dvc.yaml", "prefect.toml", ".dvcignore"):
        shutil.copy(ROOT / name, name)
    for name in ("flows", "mfer_core", "tasks"):
        Path(name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / ".dvc", ".dvc", ignore=lambda _, names: set(names) - {"config"})
    set_source("local")
    return tmp_path


def set_source(source: str) -> None:
    yaml = YAML()
    values = yaml.load(Path("params.yaml"))
    values["corpora"]["custom"] = {"adapter": "custom", "source": source, "path": str(CORPUS)}
    yaml.dump(values, Path("params.yaml"))


def tell_dvc_that_there_is_no_git() -> None:
    assert dvc(["config", "--local", "core.no_scm", "true"]) == 0


def from_a_zip(stranger: int) -> None:
    write_wav(CORPUS / "happy" / "1.wav")


def without_an_absent_corpus(stranger: int) -> None:
    tell_dvc_that_there_is_no_git()
    set_source("absent")


def without_a_corpus(stranger: int) -> None:
    tell_dvc_that_there_is_no_git()


def with_a_link_that_leads_nowhere(stranger: int) -> None:
    from_a_zip(stranger)
    tell_dvc_that_there_is_no_git()
    (CORPUS / "happy" / "2.wav").symlink_to("gone.wav")


def with_a_lock_of_the_dead(stranger: int) -> None:
    from_a_zip(stranger)
    tell_dvc_that_there_is_no_git()
    holder = {"pid": stranger, "cmd": "dvc repro"}
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps({"write": {str(CORPUS.absolute()): holder}}))


def with_a_record_cut_off(stranger: int) -> None:
    with_a_lock_of_the_dead(stranger)
    RECORD.write_text('{"write": {"/')


NOTHING_MORE = ""
CASES = [  # what DVC says of what, and what `mfer check` says where it takes a person to mend it
    ("is not a git repository", from_a_zip, NOTHING_MORE),
    ("No such file or directory", without_an_absent_corpus, NOTHING_MORE),
    ("No such file or directory", without_a_corpus, "no folder data/raw/mine"),
    ("No such file or directory", with_a_link_that_leads_nowhere, "happy/2.wav is a link to gone.wav"),
    ("it is being blocked by", with_a_lock_of_the_dead, NOTHING_MORE),
    ("JSON structure is corrupted", with_a_record_cut_off, NOTHING_MORE),
]


def test_the_table_names_what_is_tried_here():
    assert list(dict.fromkeys(words for words, _, _ in CASES)) == ROWS


@pytest.mark.parametrize(("words", "bring_about", "advice"), CASES)
def test_dvc_says_it_and_mfer_check_mends_it_or_says_how(
    project, stranger, capfd, caplog, words, bring_about, advice
):
    bring_about(stranger)
    assert dvc(REPRO) != 0
    assert words in caplog.text
    status = mfer(["check"])
    assert (status, advice in capfd.readouterr().err) == (int(bool(advice)), True)
    assert (dvc(REPRO) == 0) == (not advice)
