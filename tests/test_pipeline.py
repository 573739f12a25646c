"""The real pipeline on a shrunk real configuration: `dvc repro`, a kill, a Prefect server and worker,
MLflow.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import mlflow
import psutil
import pytest
from ruamel.yaml import YAML

from mfer_core.base.files import read_json, read_table, sha256_file
from mfer_core.cache.code import ROOT
from tests.servers.ports import free_port

STAGE_LIMIT_S = 1200
DEMO = {"ravdess": (6, 8), "crema_d": (6, 6), "custom": (2, 8), "fer2013": (10, 14)}
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

# Every process of the project writes down which project files it imported (Python runs this file at start).
RECORD_IMPORTS = """
import atexit, json, os, sys
def record():
    files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
    here = os.getcwd() + os.sep
    found = [os.path.relpath(file) for file in files if file.startswith(here) and ".venv" not in file]
    if "flows.stages" in sys.modules and len(sys.argv) > 1:  # not who only asked for a fork
        name = "-".join(sys.argv[1:]).replace("--corpus-", "@")
        path = os.path.join(os.environ["IMPORTS"], name + ".json")
        json.dump([file for file in found if os.path.getsize(file)], open(path, "w"))
atexit.register(record)
"""


def shrink(project: Path) -> None:
    """Fewer and shorter of everything; the same stages, libraries and formats."""
    yaml = YAML()
    values = yaml.load(project / "params.yaml")
    for name in set(values["corpora"]) - set(DEMO):
        del values["corpora"][name]
    for name, (speakers, clips) in DEMO.items():
        values["corpora"][name]["demo"] = {"speakers": speakers, "clips_per_speaker": clips}
    values["media_corpora"] = [name for name in values["media_corpora"] if name in DEMO]
    values["roles"]["pretraining"] = ["crema_d"]
    values["folds"]["protocols"] = ["groupk:2"]
    values["shards"] = {"extract": 16}
    for stage in (
        "pretrain_vit",
        "pretrain_emotion2vec",
        "train_visual",
        "pretrain_audio",
        "train_audio",
        "train_fused",
    ):
        values[stage]["epochs"] = 1
    values["evaluate"] |= {"bootstrap": 100, "permutations": 100}
    values["transfer"]["shots"] = [0, 1]
    values["register"]["protocol"] = "groupk:2"
    yaml.dump(values, project / "params.yaml")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project's files with shrunk settings."""
    folder = tmp_path_factory.mktemp("clone") / "mfer"
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    shrink(folder)
    (folder / "record").mkdir()
    (folder / "record" / "sitecustomize.py").write_text(RECORD_IMPORTS)
    (folder / "imports").mkdir()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def environment(project: Path, **more: str) -> dict[str, str]:
    own = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "SHELL": "/bin/sh"}
    return (
        os.environ
        | own
        | {"PYTHONPATH": f"{project}{os.pathsep}{project / 'record'}", "IMPORTS": str(project / "imports")}
        | more
    )


def run(project: Path, *command: str, **more: str) -> str:
    """Run a command in the clone; returns all it printed."""
    result = subprocess.run(
        command,
        cwd=project,
        env=environment(project, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=STAGE_LIMIT_S,
    )
    assert result.returncode == 0, result.stdout[-6000:]
    return result.stdout


@pytest.fixture(scope="module")
def reproduced(project):
    """The clone after a `dvc repro` that was killed in mid-run, with everything it had started, and begun
    again.
    """
    log = project / "first.log"
    with log.open("w") as file:
        first = subprocess.Popen(
            ["dvc", "repro"], cwd=project, env=environment(project), stdout=file, stderr=file
        )
    shards = project / "data" / "extract" / "ravdess"
    while not list(shards.glob("[0-9]*.parquet")):
        assert first.poll() is None, log.read_text()[-3000:]
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)
    first.wait()
    done = {path.name: path.stat().st_mtime_ns for path in shards.glob("[0-9]*.parquet")}
    output = run(project, "dvc", "repro")
    assert all((shards / name).stat().st_mtime_ns == when for name, when in done.items()), (
        "a shard that was done was done again"
    )
    assert not [
        path for path in project.glob("data/**/.*tmp*") if path.stat().st_mtime_ns > max(done.values())
    ]
    return output


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
        assert len(manifest) + len(rejects) == speakers * clips


def test_nothing_is_left_to_do_afterwards(project, reproduced):
    assert "Data and pipelines are up to date" in run(project, "dvc", "repro")
    assert "Data and pipelines are up to date" in run(project, "dvc", "status")


def test_results_have_versions_that_can_be_shared_and_looked_at(project, reproduced, tmp_path):
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
        *(path for path in (project / "data").iterdir() if path.name != "raw"),
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
    assert {path.stem.split("@")[0].rstrip("-") for path in records} == set(pipeline)
    for path in records:
        entry = pipeline[path.stem.split("@")[0].rstrip("-")]
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


def test_mlflow_holds_every_fold_every_table_and_the_champion(project, reproduced):
    client = mlflow.MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("groupk:2").experiment_id], "tags.kind = 'fold'")
    assert {(run.data.tags["arm"], run.data.tags["fold"]) for run in runs} == {
        (arm, str(fold)) for arm in ("visual", "audio", "fused") for fold in range(2)
    }
    assert all({"test_accuracy", "train_loss"} <= set(run.data.metrics) for run in runs)
    (parent,) = {run.data.tags["mlflow.parentRunId"] for run in runs}
    assert client.get_run(parent).data.tags["kind"] == "pipeline"
    for stage in ("evaluate", "transfer"):  # every table, figure and file of theirs, as they wrote it
        assert contents(Path(client.download_artifacts(parent, stage))) == contents(project / "data" / stage)
    assert str(client.get_model_version_by_alias("mfer", "champion").version) == "1"
    datasets = client.search_runs(
        [client.get_experiment_by_name("datasets").experiment_id], "tags.kind = 'dataset'"
    )
    assert {run.info.run_name: run.data.metrics["clips"] for run in datasets} == {
        corpus: len(read_table(project / "data" / "ingest" / corpus / "manifest.parquet")) for corpus in DEMO
    }


def test_the_champion_predicts_from_the_file_what_the_pipeline_predicted_from_its_cache(project, reproduced):
    own = read_table(project / "data" / "register" / "model" / "fused" / "predictions.parquet").iloc[0]
    manifest = read_table(project / "data" / "ingest" / "ravdess" / "manifest.parquet").set_index("clip_id")
    clip = project / "data" / "raw" / "demo" / "ravdess" / manifest.path[own.clip_id]
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
    found = read_table(project / "seen" / "predictions.parquet").set_index("arm")
    assert list(found.index) == ["visual", "audio", "fused"]
    classes = list(found.columns[found.columns.get_loc("label") + 1 :])
    assert found.loc["fused", classes].to_numpy(float) == pytest.approx(
        own[classes].to_numpy(float), abs=1e-4
    )
    assert (project / "seen" / "report.html").stat().st_size > 10_000


@pytest.fixture(scope="module")
def api(project, reproduced):
    """A real Prefect server with a worker for the deployment."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "flows", "serve", "--port", str(port)]
    with (project / "serve.log").open("w") as log:
        serving = subprocess.Popen(
            command, cwd=project, env=environment(project), stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + 120
    while "prefect deployment run" not in (project / "serve.log").read_text():
        assert serving.poll() is None and time.monotonic() < deadline, (project / "serve.log").read_text()[
            -3000:
        ]
        time.sleep(0.5)
    yield url
    os.killpg(serving.pid, signal.SIGTERM)
    serving.wait(timeout=30)


def deploy_run(project: Path, url: str) -> str:
    run(project, "prefect", "deployment", "run", "mfer/full-pipeline", "--watch", PREFECT_API_URL=url)
    return newest_log(url)


def newest_log(url: str) -> str:
    """Everything the newest run of the parent flow logged."""
    flow = httpx.get(f"{url}/flows/name/mfer").json()
    runs = httpx.post(
        f"{url}/flow_runs/filter", json={"flows": {"id": {"any_": [flow["id"]]}}, "sort": "START_TIME_DESC"}
    ).json()
    logs = httpx.post(
        f"{url}/logs/filter", json={"logs": {"flow_run_id": {"any_": [runs[0]["id"]]}}, "limit": 200}
    ).json()
    return "\n".join(entry["message"] for entry in logs)


def test_a_deployment_run_after_dvc_says_up_to_date(project, api):
    assert "0 stages ran" in deploy_run(project, api)
    reports = {
        artifact["key"]: artifact["data"]
        for artifact in httpx.post(f"{api}/artifacts/latest/filter", json={}).json()
    }
    assert all("clips of" in reports[f"dataset-{corpus}".replace("_", "-")] for corpus in DEMO)


def test_what_a_deployment_run_makes_is_up_to_date_for_dvc(project, api):
    yaml = YAML()
    values = yaml.load(project / "params.yaml")
    values["evaluate"]["bootstrap"] = 120
    yaml.dump(values, project / "params.yaml")
    log = deploy_run(project, api)
    assert "Running stage 'evaluate'" in log
    assert "Running stage 'train_fused'" not in log
    assert "Data and pipelines are up to date" in run(project, "dvc", "status")
    names = {flow["name"] for flow in httpx.post(f"{api}/flows/filter", json={}).json()}
    assert {"mfer", "evaluate"} <= names
    assert flow_runs(api, "evaluate")[0]["parent_task_run_id"], (
        "the stage is not a subflow of the parent flow"
    )


def at_work(project: Path) -> list[psutil.Process]:
    """Every `dvc repro` that works in the clone, and the forks in which their stages do."""
    family = []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        words = set(process.info["cmdline"] or [])
        if process.info["cwd"] == str(project) and {"dvc", "repro"} <= words:
            family.append(process)
        if process.info["cwd"] == str(project) and "flows.fork_server" in words:
            family += process.children(recursive=True)
    return family


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def flow_runs(url: str, name: str) -> list[dict]:
    """Newest first."""
    chosen = {"flow_runs": {"name": {"any_": [name]}}, "sort": "START_TIME_DESC"}
    return httpx.post(f"{url}/flow_runs/filter", json=chosen, timeout=30).raise_for_status().json()


def wait_for(condition, what: str, limit_s: float = 180) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


def test_a_cancelled_run_ends_its_work_and_the_next_one_goes_on(project, api):
    options = ("-p", "start_from=pretrain_vit", "-p", "force=true")
    run(project, "prefect", "deployment", "run", "mfer/full-pipeline", *options, PREFECT_API_URL=api)
    wait_for(
        lambda: [one for one in flow_runs(api, "pretrain_vit") if one["state_type"] == "RUNNING"],
        "the stage did not start",
    )
    family = at_work(project)
    assert len(family) > 1, "the stage runs neither below dvc repro nor in a fork"
    (cancelled,) = [one for one in flow_runs(api, "mfer") if one["state_type"] == "RUNNING"]
    run(project, "prefect", "flow-run", "cancel", cancelled["id"], PREFECT_API_URL=api)
    wait_for(lambda: not any(map(lives, family)), f"still at work after the run was cancelled: {family}")
    wait_for(
        lambda: flow_runs(api, "mfer")[0]["state_type"] == "CANCELLED", "the run is not shown as cancelled"
    )
    run(project, "dvc", "repro")
    assert "Data and pipelines are up to date" in run(project, "dvc", "status")
