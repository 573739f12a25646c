"""The real pipeline on a shrunk real configuration: what `dvc repro` leaves on disk, in DVC and in MLflow."""

import json
import re
import shutil
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from mfer_core.base.files import read_json, read_table, sha256_file
from mfer_core.cache.embeddings import open_embeddings
from mfer_core.prediction import Predictor
from tests.pipeline.clone import DEMO, SECRET, run

PLUMBING = ("flows/", "mfer_core/base/", "tasks/", "record/")  # what runs a stage, whichever it is
ARMS = {
    "visual",
    "audio",
    "fused",
    "late",
    "late_product",
    "probe_visual",
    "probe_audio",
    "probe_both",
    "baseline",
}


def test_every_arm_is_measured(project, reproduced):
    metrics = read_json(project / "data" / "evaluate" / "metrics.json")
    about = metrics.pop("about")
    assert about["data"] == "synthetic" and set(about["zero_shot"]["groupk:2"]) == {
        "zero_shot_visual",
        "zero_shot_audio",
    }
    assert {name: set(arms) for name, arms in metrics.items()} == {"groupk:2": ARMS}
    assert len(metrics["groupk:2"]["fused"]["accuracy"]["folds"]) == 2
    frames = read_table(project / "data" / "evaluate" / "zero_shot_frames.parquet")
    assert (
        frames.clip_id.nunique() > 40 and len(frames.columns) == 2 + 7
    )  # clips of six people, labels of FER-2013


def test_every_file_is_accounted_for(project, reproduced):
    for corpus, (speakers, clips) in DEMO.items():
        manifest = read_table(project / "data" / "ingest" / corpus / "manifest.parquet")
        rejects = read_table(project / "data" / "ingest" / corpus / "rejects.parquet")
        broken = rejects[rejects.reason == "broken link"].path.tolist()
        assert broken == (["gone.wav"] if corpus == "crema_d" else [])
        assert len(manifest) + len(rejects) == speakers * clips + len(broken)


def test_what_is_typed_beside_the_stages_finds_all_in_order(project, reproduced, tmp_path):
    def mfer(*words: str) -> str:
        return run(project, sys.executable, "-m", "flows", *words)

    champion = mfer("track").splitlines()[-1]
    assert "mfer" in champion and champion == mfer("track").splitlines()[-1]
    manifest = read_table(project / "data" / "ingest" / "ravdess" / "manifest.parquet")
    mfer("inspect", manifest.clip_id[0], "--out", str(tmp_path / "clip.png"))
    assert (tmp_path / "clip.png").stat().st_size > 10_000
    pages = [project / "docs" / f"reference_{name}.md" for name in ("settings", "commands")]
    committed = [page.read_bytes() for page in pages]
    mfer("settings")
    assert [page.read_bytes() for page in pages] == committed
    said = mfer("--verbose", "ingest", "--corpus", "ravdess")
    assert all(f"ingest {clip}: " in said for clip in manifest.clip_id)
    before = contents(project / "data" / "evaluate")
    assert re.search("would be freed|nothing to clean", mfer("clean", "--dry-run"))
    mfer("clean")
    assert mfer("clean").splitlines()[-1] == "nothing to clean"
    assert contents(project / "data" / "evaluate") == before


def test_nothing_is_left_to_do_afterwards(project, reproduced):
    assert "Data and pipelines are up to date" in run(project, "dvc", "repro")
    assert "Data and pipelines are up to date" in run(project, "dvc", "status")


def test_results_have_versions_that_can_be_shared_and_looked_at(project, reproduced, tmp_path):
    """After the `git init` that the README tells whoever began with a zip."""
    run(project, "git", "init", "-q")
    run(project, "dvc", "config", "--local", "--unset", "core.no_scm")
    run(project, "git", "add", "-A")
    run(
        project,
        "git",
        "-c",
        "user.name=someone",
        "-c",
        "user.email=someone@example.org",
        "commit",
        "-qm",
        "first",
    )
    run(project, "dvc", "remote", "add", "--local", "--default", "store", str(tmp_path / "store"))
    run(project, "dvc", "push")
    for lost in (
        project / ".dvc" / "cache",
        *(path for path in (project / "data").iterdir() if path.is_dir() and path.name != "raw"),
    ):
        shutil.rmtree(lost)
    run(project, "dvc", "pull")
    assert "Data and pipelines are up to date" in run(project, "dvc", "status")
    assert re.search(
        r"summary\.json +groupk:2\.fused\.valid_accuracy +0\.\d+ +0\.\d+ +0\.0",
        run(project, "dvc", "metrics", "diff", "--all"),
    )
    run(project, "dvc", "plots", "show")
    page = (project / "dvc_plots" / "index.html").read_text()
    assert (
        all(f"{plot}_groupk-2.png" in page for plot in ("confusion", "curves", "reliability"))
        and "http" not in page
    )


def test_no_stage_imported_more_of_the_project_than_it_declares(project, reproduced):
    pipeline = YAML(typ="safe").load((project / "dvc.yaml").read_text())["stages"]
    records = list((project / "imports").glob("*.json"))
    assert {path.stem.split("@")[0] for path in records} == set(pipeline)
    for path in records:
        entry = pipeline[path.stem.split("@")[0]]
        declared = entry.get("do", entry)["deps"]
        imported = {file for file in json.loads(path.read_text()) if not file.startswith(PLUMBING)}
        missing = {
            file
            for file in imported
            if not any(file == dep or file.startswith(f"{dep}/") for dep in declared)
        }
        assert not missing, f"{path.stem} imported {missing}"


def contents(folder: Path) -> dict[Path, str]:
    return {path.relative_to(folder): sha256_file(path) for path in folder.rglob("[!.]*") if path.is_file()}


def test_no_table_log_or_artifact_holds_a_secret_of_the_environment(project, reproduced):
    files = [path for path in project.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {"mlflow.db", "prefect.db", "MLmodel", "flows-serve.log"} <= {path.name for path in files}
    assert not [path for path in files if SECRET.encode() in path.read_bytes() and path.suffix != ".py"]


def test_mlflow_holds_every_fold_every_table_and_the_champion(project, reproduced):
    client = mlflow.MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("groupk:2").experiment_id], "tags.kind = 'fold'")
    assert {(run.data.tags["arm"], run.data.tags["fold"]) for run in runs} == {
        (arm, str(fold)) for arm in ("visual", "audio", "fused") for fold in range(2)
    }
    assert all({"test_accuracy", "train_loss"} <= set(run.data.metrics) for run in runs)
    parents = {run.data.tags["mlflow.parentRunId"] for run in runs}  # also of runs that were stopped
    assert {client.get_run(parent).data.tags["kind"] for parent in parents} == {"pipeline"}
    experiment = client.get_experiment_by_name("groupk:2").experiment_id
    pipelines = client.search_runs([experiment], "tags.kind = 'pipeline'", order_by=["start_time DESC"])
    for stage in ("evaluate", "transfer"):  # every table, figure and file of theirs, as they wrote it
        parent = next(
            run.info.run_id for run in pipelines if client.list_artifacts(run.info.run_id, stage)
        )  # of the newest run in which the stage came to its end
        assert contents(Path(client.download_artifacts(parent, stage))) == contents(project / "data" / stage)
    assert str(client.get_model_version_by_alias("mfer", "champion").version) == "1"
    datasets = client.search_runs(
        [client.get_experiment_by_name("datasets").experiment_id], "tags.kind = 'dataset'"
    )
    assert {run.info.run_name: run.data.metrics["clips"] for run in datasets} == {
        corpus: len(read_table(project / "data" / "ingest" / corpus / "manifest.parquet")) for corpus in DEMO
    }


def test_the_champion_says_of_a_file_what_it_says_of_the_pipelines_cache(project, reproduced):
    manifest = read_table(project / "data" / "ingest" / "ravdess" / "manifest.parquet").set_index("clip_id")
    clip_id = manifest.index[0]
    clip = project / "data" / "raw" / "demo" / "ravdess" / manifest.path[clip_id]
    model = Predictor.load(project / "data" / "register" / "model", "cpu")
    folders = [project / "data" / "embed" / arm / "ravdess" for arm in ("visual", "audio")]
    cached = tuple(torch.from_numpy(np.array(open_embeddings(folder)[clip_id])) for folder in folders)
    (decided,) = model.decide([cached])
    run(
        project,
        sys.executable,
        "-m",
        "flows",
        "predict",
        str(clip),
        "--model",
        "models:/mfer@champion",
        "--out",
        "seen",
    )
    predicted = read_table(project / "seen" / "predictions.parquet").set_index("arm")
    assert list(predicted.index) == ["visual", "audio", "fused"]
    for arm in predicted.index:
        shares = predicted.loc[arm, list(model.classes)].to_numpy(float)
        assert shares == pytest.approx(decided[arm].numpy(), abs=1e-4)
    assert (project / "seen" / "report.html").stat().st_size > 10_000
