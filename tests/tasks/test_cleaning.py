"""What nothing needs any more can go; what a result, a setting, an alias or a run needs stays."""

from pathlib import Path

import pandas as pd
import pytest
from dvc.repo import Repo
from mlflow import MlflowClient

from mfer_core.base.errors import MferError
from mfer_core.base.files import write_json, write_table
from mfer_core.base.paths import DataPaths
from mfer_core.cache.code import ROOT
from tasks.cleaning import check_idle, removables, unused_folders
from tasks.processes import mark
from tasks.tracking.cleaning import removables_in_mlflow, unused_versions
from tasks.tracking.registry import content_key
from tasks.tracking.store import KEY_TAG

DATA = DataPaths()


@pytest.fixture
def project(settings):
    """A folder that DVC knows of, in which one file is tracked."""
    Path("params.yaml").write_text((ROOT / "params.yaml").read_text())
    Repo.init(no_scm=True).close()
    write_json(Path("data/raw/kept.json"), 1)
    with Repo() as repo:
        repo.add("data/raw/kept.json")
    return settings


def cached() -> set[str]:
    return {path.read_text() for path in Path(".dvc/cache/files").rglob("*") if path.is_file()}


def test_an_object_of_the_cache_goes_once_nothing_refers_to_it(project):
    assert list(removables(DATA, project)) == []
    write_json(Path("data/raw/kept.json"), 22)
    with Repo() as repo:
        repo.add("data/raw/kept.json")
    (old,) = removables(DATA, project)
    assert (old.size, cached()) == (2, {"1\n", "22\n"})
    old.remove()
    assert cached() == {"22\n"}
    assert list(removables(DATA, project)) == []


def test_what_killed_runs_left_goes_and_hidden_files_of_others_stay(project):
    for name in (".0123456789ab.tmp.parquet", ".demo.json", ".keep.tmp"):
        write_json(DATA.root / "folds" / name, 1)
    (DATA.root / "register" / ".abcdef012345.tmp" / "visual").mkdir(parents=True)
    for one in removables(DATA, project):
        one.remove()
    assert sorted(path.name for path in (DATA.root / "folds").iterdir()) == [".demo.json", ".keep.tmp"]
    assert list((DATA.root / "register").iterdir()) == []


def test_folders_that_the_settings_do_not_name_go(project):
    kept = [DATA.ingest("fer2013"), DATA.extract("custom"), DATA.embeddings("audio", "custom")]
    gone = [DATA.ingest("old"), DATA.extract("fer2013"), DATA.embeddings("visual", "old")]
    kept.append(DATA.fold("train_visual", "luna5", 42, 0))
    gone += [DATA.fold("train_audio", "luna5", 42, 7), DATA.fold("train_visual", "report5", 42, 0)]
    for folder in (*kept, *gone):
        folder.mkdir(parents=True)
    assert set(unused_folders(DATA, project)) == set(gone[:3])  # Without a table, any fold may be a result.
    write_table(DATA.folds, pd.DataFrame({"protocol": ["luna5"], "fold": [0]}))
    assert set(unused_folders(DATA, project)) == set(gone)


def test_nothing_is_cleaned_while_a_run_is_at_work(project):
    check_idle()
    import psutil

    mark(psutil.Process())
    with pytest.raises(MferError, match="works in this folder: clean once it has ended"):
        check_idle()


@pytest.fixture
def store(project):
    return MlflowClient(project.tracking.uri)


def test_runs_that_were_deleted_or_cut_off_go_and_finished_ones_stay(project, store, monkeypatch):
    experiment = store.create_experiment("luna5", Path("mlartifacts").absolute().as_uri())
    finished, cut_off, deleted = (store.create_run(experiment).info.run_id for _ in range(3))
    for run in (finished, deleted):
        store.set_terminated(run)
    store.delete_run(deleted)
    store.log_text(cut_off, "half", "model.txt")
    listed = list(removables_in_mlflow(DATA, project))
    assert sorted((one.what.rpartition(": ")[2], one.size) for one in listed) == [
        ("cut off", 4),
        ("deleted", 0),
    ]
    for one in listed:
        one.remove()
    assert [run.info.run_id for run in store.search_runs([experiment])] == [finished]


def test_versions_with_an_alias_and_the_present_model_stay(project, store):
    write_json(DATA.model / "config.json", 1)
    store.create_registered_model("mfer")
    keys = ["old", "champion", content_key(DATA.model)]
    for key in keys:
        source = Path("mlartifacts", key).absolute()
        source.mkdir(parents=True)
        store.create_model_version("mfer", str(source), tags={KEY_TAG: key})
    store.set_registered_model_alias("mfer", "champion", "2")
    assert [str(version.version) for version in unused_versions(store, DATA, project)] == ["1"]
