"""Which stages DVC holds for stale after a change of params.yaml: asked of DVC itself, on files of a few
bytes.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import load_settings
from mfer_core.cache.code import ROOT
from mfer_core.cache.pool import describe_pool, remove_others

DATA = DataPaths()
PER_CORPUS = ("ingest", "extract", "embed")
POOLS = {f"pool_clips@{corpus}" for corpus in ("crema_d", "shemo", "sdc", "urdu")}


def write(path: str | Path, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def stale() -> set[str]:
    with Repo() as repo:
        return set(repo.status())


def change(edit) -> None:
    yaml = YAML()
    values = yaml.load(Path("params.yaml"))
    edit(values)
    yaml.dump(values, Path("params.yaml"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project in which every stage has run: its outputs stand in dvc.lock."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("dvc.yaml", "params.yaml"):
            shutil.copy(ROOT / name, name)
        Repo.init(no_scm=True).close()
        for corpus in load_settings().corpora.values():
            write(corpus.path / "clip.wav", str(corpus.path))
        with Repo() as repo:
            for stage in repo.index.stages:
                for entry in (*stage.deps, *stage.outs):
                    path = (
                        Path(entry.fs_path).relative_to(folder) if entry.def_path != "params.yaml" else None
                    )
                    if path and not path.exists():
                        write(path if path.suffix else path / "file.txt", str(path))
            pool()
            repo.commit(force=True)
        assert stale() == set()
    return folder


def pool() -> None:
    """What the two stages of that name do."""
    settings = load_settings()
    for folder in (DATA.stage("ingest"), DATA.stage("extract"), *DATA.stage("embed").iterdir()):
        remove_others(folder, settings.corpora if folder.name == "ingest" else settings.media_corpora)
    pretraining = settings.roles.pretraining
    for name in pretraining:
        clips = describe_pool(settings.corpora, {name: [DATA.ingest(name), DATA.extract(name)]})
        write(DATA.pool("pool_clips", name), str(clips))
    embedded = {name: [DATA.embeddings("audio", name)] for name in pretraining}
    pooled = describe_pool(settings.corpora, embedded)
    write(DATA.pool("pool_embeddings", "pretraining"), str(pooled))


@pytest.fixture
def project(finished, tmp_path, monkeypatch):
    folder = tmp_path / "project"
    shutil.copytree(finished, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


def add_corpus(values: dict, name: str) -> None:
    values["corpora"][name] = {"adapter": "custom", "source": "local", "path": f"data/raw/{name}"}
    values["media_corpora"].append(name)
    write(f"data/raw/{name}/clip.wav", name)


def run_corpus(name: str) -> None:
    """What the stages per corpus leave for ``name``."""
    for folder in (
        DATA.ingest(name),
        DATA.extract(name),
        *(DATA.embeddings(arm, name) for arm in ("visual", "audio")),
    ):
        write(folder / "file.txt", name)
    with Repo() as repo:
        for stage in PER_CORPUS:
            repo.commit(f"{stage}@{name}", force=True)


def test_neither_workers_nor_the_runner_make_anything_stale_and_an_absent_corpus_needs_its_word_only(project):
    change(lambda values: values.update(workers=7, runner="dask", shards={"extract": 8, "embed": 8}))
    assert stale() == set()
    change(lambda values: values["corpora"]["sdc"].update(source="absent"))
    assert stale() == {"demo", "ingest@sdc", "embed@sdc", *POOLS}


def test_a_corpus_that_comes_changes_role_and_goes_is_seen_by_what_reads_it_only(project):
    change(lambda values: add_corpus(values, "mine"))
    new = {f"{stage}@mine" for stage in PER_CORPUS}
    assert stale() == new | {"demo", *POOLS, "pool_embeddings"}
    run_corpus("mine")
    change(lambda values: values["roles"].update(transfer="mine"))
    pool()
    lists_all = {"demo", *POOLS, "pool_embeddings", "evaluate"}
    assert stale() == lists_all | {"folds", "transfer"}
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    pool()
    assert stale() == set()
    assert not list(Path("data/embed").glob("*/mine")) and not DATA.extract("mine").exists()


def test_the_stages_that_read_the_pool_are_stale_when_one_of_its_corpora_changes(project):
    write(DATA.extract("urdu") / "file.txt", "another clip")
    with Repo() as repo:
        repo.commit("extract@urdu", force=True)
    pool()
    readers = {"pretrain_emotion2vec", "folds", "pretrain_audio", "evaluate", "register"}
    assert stale() == readers | {"embed@urdu", "pool_clips@urdu"}


def test_a_run_with_nothing_to_do_asks_dvc_and_loads_no_prefect(project):
    code = "import sys, flows.__main__ as program; print(program.main(['mfer']), 'prefect' in sys.modules)"
    command = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.stdout.splitlines() == ["Data and pipelines are up to date.", "0 False"], result.stderr
