import os
import shutil

import pytest

from mfer_core.base.settings import load_settings
from mfer_core.cache.code import ROOT
from tasks.tracking import store
from tests.tasks.finished import finish_fold


@pytest.fixture
def settings(tmp_path, monkeypatch, empty_store):
    """The default settings, with this folder as the project."""
    loaded = load_settings(ROOT / "params.yaml")
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"  # MLflow keeps a relative one of an earlier test open
    loaded = loaded.model_copy(update={"tracking": loaded.tracking.model_copy(update={"uri": uri})})
    (tmp_path / ".prefect").mkdir()
    monkeypatch.chdir(tmp_path)
    forget_store()
    yield loaded
    forget_store()


def forget_store():
    """Forget what this process knows of an MLflow; a client leaves its address in the environment."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    store.client.cache_clear()
    store.silent_since.clear()
    store.missed.clear()


@pytest.fixture
def fold(settings):
    """A finished fold as training leaves it: five clips trained on, one for choice, two tested, all hit."""
    return finish_fold("visual", 0, hits=8)
