"""A project that is moved, copied or oddly named finds its models, and no copy writes into another."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.models import Model

from mfer_core.base.errors import MferError
from mfer_core.base.files import write_json
from mfer_core.base.paths import DataPaths
from tasks.tracking import store as tracking
from tasks.tracking.fold_runs import log_fold
from tasks.tracking.registry import register_folder, registered_folder
from tests.tasks.conftest import forget_store

CHAMPION = "models:/mfer@champion"


@pytest.fixture
def project(tmp_path, fold, settings):
    """The folder of a project with a logged fold and a registered model."""
    log_fold(fold, DataPaths(), settings)
    store = tracking.client(settings.tracking)
    model = store.create_logged_model(tracking.experiment("register", settings.tracking), "mfer")
    folder = Path("version")
    (folder / "artifacts" / "model").mkdir(parents=True)
    (folder / "artifacts" / "model" / "README.md").write_text("# a card\n")
    flavor = {"artifacts": {"model": {"path": "artifacts/model"}}}
    Model(flavors={"python_function": flavor}).save(str(folder / "MLmodel"))
    store.log_model_artifacts(model.model_id, str(folder))
    store.finalize_logged_model(model.model_id, "READY")
    store.create_registered_model("mfer")
    version = store.create_model_version("mfer", f"models:/{model.model_id}", model_id=model.model_id)
    store.set_registered_model_alias("mfer", "champion", version.version)
    shutil.rmtree(folder)
    return tmp_path


def enter(folder: Path, settings, monkeypatch):
    """Go into another folder as a process does that starts there; its settings."""
    monkeypatch.chdir(folder)
    forget_store()
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    return settings.model_copy(update={"tracking": settings.tracking.model_copy(update={"uri": uri})})


def addresses(database: Path) -> dict[str, list[str]]:
    """Column -> its values, for every column of MLflow's tables that holds addresses of files."""
    columns = {}
    with closing(sqlite3.connect(database)) as store:
        for (table,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for _, column, *_ in store.execute(f"PRAGMA table_info({table})").fetchall():
                query = f"SELECT {column} FROM {table} WHERE CAST({column} AS TEXT) LIKE '%file:/%'"
                if values := [value for (value,) in store.execute(query)]:
                    columns[f"{table}.{column}"] = values
    return columns


@pytest.mark.parametrize(
    ("transfer", "name"),
    [(shutil.move, "my project"), (shutil.copytree, "elsewhere"), (shutil.copytree, "100%20 #1 مشروع")],
)
def test_a_project_that_was_moved_or_copied_is_whole(
    project, settings, monkeypatch, tmp_path_factory, transfer, name
):
    folder = tmp_path_factory.mktemp("other") / name
    monkeypatch.chdir("/")
    transfer(str(project), str(folder))
    before = {file: file.read_bytes() for file in project.rglob("*") if file.is_file()}
    settings = enter(folder, settings, monkeypatch)
    assert registered_folder(CHAMPION, settings.tracking).is_relative_to(folder)
    assert (registered_folder(CHAMPION, settings.tracking) / "README.md").read_text() == "# a card\n"
    log_fold(next(folder.glob("data/train_visual/*/*/fold-0")).relative_to(folder), DataPaths(), settings)
    tracking.pipeline_run("a new experiment", settings)
    columns = addresses(folder / "mlflow.db")
    here = f"{folder.as_uri()}/"
    assert all(value.startswith(here) for values in columns.values() for value in values), columns
    assert len(columns) == 4, "MLflow keeps addresses in another column: look at relocation.ADDRESSES"
    assert {file: file.read_bytes() for file in project.rglob("*") if file.is_file()} == before
    assert sorted(path.name for path in folder.parent.iterdir()) == [name]
    folds = tracking.client(settings.tracking).search_runs(
        [tracking.experiment("luna5", settings.tracking)], "tags.kind = 'fold'"
    )
    assert len(folds) == 1, "what the copy holds is logged again"


def test_artifacts_outside_the_project_do_not_move_with_it(project, settings, monkeypatch, tmp_path_factory):
    outside = str(tmp_path_factory.mktemp("artifacts"))
    section = settings.tracking.model_copy(update={"artifacts": outside})
    settings = settings.model_copy(update={"tracking": section})
    tracking.experiment("outside", settings.tracking)
    copy = tmp_path_factory.mktemp("other") / "copy"
    shutil.copytree(project, copy)
    settings = enter(copy, settings, monkeypatch)
    location = tracking.client(settings.tracking).get_experiment_by_name("outside").artifact_location
    assert location == f"file://{outside}/outside"


def test_a_champion_whose_files_are_gone_is_said_before_another_version_is_made(project, settings):
    shutil.rmtree(project / "mlartifacts" / "register")
    write_json(DataPaths().model / "settings.json", {})
    with pytest.raises(MferError, match=f"^no model {CHAMPION} in the MLflow registry: "):
        register_folder(DataPaths(), settings)
    assert len(tracking.client(settings.tracking).search_model_versions("name='mfer'")) == 1
