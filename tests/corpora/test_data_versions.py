"""Data versions as a person keeps them: named, pushed, lost, pulled again byte for byte, and gone back to."""

import shutil
import subprocess
from pathlib import Path

import pytest
from dvc.cli import main as dvc_command

from mfer_core.base.files import sha256_file
from mfer_core.cache.code import ROOT
from tests.corpora.media_files import write_wav
from tests.s3_server import KEYS, serve_s3

# The project's own pipeline takes minutes (tests/pipeline pushes and pulls its outputs); one stage
# stands for it here.
STAGE = """
stages:
  ingest:
    cmd: mkdir -p data/ingest/ravdess && ls -R data/raw/ravdess > data/ingest/ravdess/list
    deps: [data/raw/ravdess]
    outs: [data/ingest/ravdess]
"""


def dvc(*command: str) -> None:
    assert dvc_command(list(command)) == 0, f"dvc {' '.join(command)} failed"


def git(*command: str) -> str:
    identity = ("-c", "user.name=someone", "-c", "user.email=someone@example.org")
    return subprocess.run(["git", *identity, *command], check=True, capture_output=True, text=True).stdout


def bytes_of(*folders: str) -> dict[str, str]:
    return {
        path.as_posix(): sha256_file(path)
        for folder in folders
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def s3():
    with serve_s3("corpora") as url:
        yield url


@pytest.fixture
def project(tmp_path, built, monkeypatch):
    """A checkout with the project's own git and DVC settings, a small RAVDESS and a person's own set in
    it.
    """
    for name in (".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        (tmp_path / "here" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "here" / name)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    shutil.copytree(built("ravdess"), "data/raw/ravdess")
    shutil.copytree(built("custom folders"), "data/raw/mine")
    Path("dvc.yaml").write_text(STAGE)
    git("init", "-q")
    git("add", "-A")
    assert "data/" not in git("ls-files")
    return tmp_path


def use_folder(tmp_path, s3, monkeypatch) -> None:
    dvc("remote", "add", "--local", "--default", "store", str(tmp_path / "store"))


def use_s3(tmp_path, s3, monkeypatch) -> None:
    dvc("remote", "add", "--local", "--default", "store", f"s3://corpora/{tmp_path.name}")
    dvc("remote", "modify", "--local", "store", "endpointurl", s3)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("use_remote", [use_folder, use_s3])
def test_raw_data_and_what_a_stage_made_come_back_from_a_remote(project, s3, monkeypatch, use_remote):
    dvc("add", "data/raw/ravdess", "data/raw/mine")
    dvc("repro")
    git("add", "-A")
    git("commit", "-qm", "first")
    git("tag", "data-1")
    assert set(git("ls-files", "data").split()) == {"data/raw/ravdess.dvc", "data/raw/mine.dvc"}
    first = bytes_of("data/raw", "data/ingest")
    use_remote(project, s3, monkeypatch)
    dvc("push")

    write_wav(Path("data/raw/ravdess/Actor_04/03-01-05-01-01-01-04.wav"), 77)
    dvc("add", "data/raw/ravdess")
    dvc("repro")
    dvc("push")
    git("commit", "-qam", "second")
    second = bytes_of("data/raw", "data/ingest")

    for lost in ("data", ".dvc/cache"):
        shutil.rmtree(lost)
    git("checkout", "-q", "HEAD", "--", "data")
    dvc("pull")
    assert bytes_of("data/raw", "data/ingest") == second
    git("checkout", "-q", "data-1")
    dvc("pull")
    assert bytes_of("data/raw", "data/ingest") == first
    assert len(first) < len(second)
