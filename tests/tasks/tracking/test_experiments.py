"""An experiment of DVC runs in a copy of the project that is deleted, and logs into the project's MLflow."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mfer_core.cache.code import ROOT

STAGE = """
from pathlib import Path
from mfer_core.base.settings import load_settings
from tasks.tracking import store
settings = load_settings()
Path("figures.txt").write_text(str(settings.seed))
run = store.pipeline_run("luna5", settings)
store.client(settings.tracking).log_metric(run, "seed", settings.seed)
store.client(settings.tracking).log_artifact(run, "figures.txt", "evaluate")
"""
PIPELINE = """
stages:
  evaluate: {cmd: python stage.py, deps: [stage.py], params: [seed], outs: [figures.txt]}
"""
PERSON = {f"GIT_{role}_{what}": "x@y" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@pytest.fixture
def project(tmp_path, empty_store):
    """A project in a folder with a blank in its name: one stage that logs what it was told."""
    folder = tmp_path / "my project"
    folder.mkdir()
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copy(empty_store, folder)
    for name, text in (
        ("stage.py", STAGE),
        ("dvc.yaml", PIPELINE),
        (".gitignore", "mlflow.db\nmlartifacts\n.prefect\n"),
    ):
        (folder / name).write_text(text)
    run(folder, "git", "init", "-q")
    run(folder, sys.executable, "-m", "dvc", "init", "-q")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "start")
    return folder


def run(folder: Path, *command: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    surroundings = os.environ | PERSON | {"PYTHONPATH": str(ROOT), "PATH": path}
    surroundings.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_experiments_in_temporary_copies_are_in_the_projects_mlflow(project):
    dvc_exp = (sys.executable, "-m", "dvc", "exp", "run", "-q")
    run(project, *dvc_exp, "--temp", "-S", "seed=1", "-n", "first")
    run(project, *dvc_exp, "--queue", "-S", "seed=2", "-n", "second")
    run(project, *dvc_exp, "--run-all")
    store = MlflowClient(f"sqlite:///{project}/mlflow.db")
    runs = store.search_runs([store.get_experiment_by_name("luna5").experiment_id])
    assert {one.data.tags["dvc_experiment"]: one.data.metrics["seed"] for one in runs} == {
        "first": 1,
        "second": 2,
    }
    for one in runs:
        (file,) = store.list_artifacts(one.info.run_id, "evaluate")
        assert file.path == "evaluate/figures.txt"
    assert len(list((project / "mlartifacts" / "luna5").glob("*/artifacts/evaluate/figures.txt"))) == 2
