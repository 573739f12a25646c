"""The servers of a team: Prefect over PostgreSQL, MLflow over PostgreSQL and an S3-compatible store."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from mlflow import MlflowClient
from ruamel.yaml import YAML

from mfer_core.base.paths import DataPaths
from mfer_core.cache.code import ROOT
from tasks.tracking.fold_runs import log_fold
from tasks.tracking.result_runs import log_results
from tests.corpora.layouts import LAYOUTS
from tests.s3_server import KEYS, serve_s3
from tests.servers.ports import free_port, serve
from tests.servers.postgres import dump, programs, query, serve_postgres
from tests.tasks.conftest import settings  # noqa: F401
from tests.tasks.finished import finish_fold

pytestmark = pytest.mark.skipif(programs() is None, reason="no PostgreSQL here: apt-get install postgresql")


@pytest.fixture(scope="module")
def postgres():
    with serve_postgres("prefect", "mlflow", "mlflow_apart") as place:
        yield place


SECRET = "a-secret-of-the-environment"


def with_password(postgres: str) -> str:
    """The server's address with a password, which it does not ask for."""
    return postgres.replace("@", f":{SECRET}@")


def test_a_stage_runs_against_a_prefect_server_on_postgresql_and_no_record_holds_a_password(
    tmp_path, postgres, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    finish_fold("visual", 0, hits=8)
    for name in ("params.yaml", "dvc.yaml", "prefect.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    LAYOUTS["shemo"].build(tmp_path / "shemo")
    yaml = YAML()
    values = yaml.load(tmp_path / "params.yaml")
    values["corpora"]["shemo"] = {"adapter": "shemo", "source": "local", "path": "shemo"}
    yaml.dump(values, tmp_path / "params.yaml")
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    start = ("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
    with serve(
        tmp_path,
        f"{api}/health",
        *start,
        PREFECT_SERVER_DATABASE_CONNECTION_URL=f"postgresql+asyncpg://{with_password(postgres)}/prefect",
    ):
        environment = os.environ | dict.fromkeys(("HF_TOKEN", "AWS_SECRET_ACCESS_KEY"), SECRET)
        environment |= {"PREFECT_API_URL": api, "PYTHONPATH": str(ROOT)}
        environment["MLFLOW_TRACKING_URI"] = f"postgresql+psycopg2://{with_password(postgres)}/mlflow_apart"
        for words in (["ingest", "--corpus", "shemo"], ["track"]):
            result = subprocess.run(
                [sys.executable, "-m", "flows", *words],
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
            )
            said = result.stdout + result.stderr
            assert result.returncode == 0 and SECRET not in said, said[-3000:]
    assert not list(tmp_path.glob(".prefect/*.db")), "a database beside PostgreSQL"
    assert query(postgres, "prefect", "select name, state_type::text from flow_run") == [
        ("ingest shemo", "COMPLETED")
    ]
    ((tags,),) = query(postgres, "prefect", "select tags from flow_run")
    assert {"stage:ingest", "corpus:shemo"} <= set(tags)
    assert ("ingest-shemo-rejects",) in query(postgres, "prefect", "select key from artifact")
    assert query(postgres, "mlflow_apart", "select count(*) from runs") == [(2,)]
    assert (tmp_path / "mlartifacts").is_dir()
    assert not [name for name in ("prefect", "mlflow_apart") if SECRET in dump(postgres, name)]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def mlflow_server(address: str, postgres: str) -> tuple[str, ...]:
    """The module and arguments of an MLflow server at ``address`` over PostgreSQL and the bucket mfer."""
    host, port = address.removeprefix("http://").split(":")
    stores = ("--backend-store-uri", f"postgresql+psycopg2://{postgres}/mlflow")
    stores += ("--artifacts-destination", "s3://mfer/runs")
    return ("mlflow", "server", *stores, "--host", host, "--port", port, "--workers", "1")


def stored_in(s3: str) -> list[str]:
    """The names of all files in the bucket's folder of runs."""
    names = {"endpoint_url": s3, "region_name": KEYS["AWS_DEFAULT_REGION"]}
    names |= {name.lower(): KEYS[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    listed = boto3.client("s3", **names).list_objects_v2(Bucket="mfer", Prefix="runs/")
    return [item["Key"] for item in listed["Contents"]]


def test_mlflow_on_postgresql_and_s3_takes_the_folds_by_one_variable(
    tmp_path, postgres, settings, monkeypatch
):
    address = f"http://127.0.0.1:{free_port()}"
    with serve_s3("mfer") as s3:
        lean = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_S3_ENDPOINT_URL": s3}
        with serve(tmp_path, f"{address}/health", *mlflow_server(address, postgres), **lean, **KEYS):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
            folders = [finish_fold("visual", number, hits=8 - number) for number in range(2)]
            for folder in folders:
                log_fold(folder, DataPaths(), settings)
            files = {folders[0] / "history.csv": "evaluate"}
            page = log_results("luna5", {"evaluate/visual/accuracy": 0.9}, files, "visual 90.0 %", settings)
            store = MlflowClient(address)
            experiment = store.get_experiment_by_name("luna5").experiment_id
            runs = store.search_runs([experiment], order_by=["metrics.test_accuracy DESC"])
            folds = [run for run in runs if run.data.tags["kind"] == "fold"]
            by_fold = [(run.data.tags["fold"], run.data.metrics["test_accuracy"]) for run in folds]
            assert by_fold == [("0", 1.0), ("1", 0.875)]
            (parent,) = (run for run in runs if run.data.tags["kind"] == "pipeline")
            assert parent.data.metrics["evaluate/visual/accuracy"] == 0.9
            assert parent.info.run_name.startswith("visual 90.0 %, ")
            assert page == f"{address}/#/experiments/{experiment}/runs/{parent.info.run_id}"
            run = folds[0].info.run_id
            predictions = store.download_artifacts(run, "model/predictions.parquet", str(tmp_path))
            assert Path(predictions).read_bytes() == (folders[0] / "predictions.parquet").read_bytes()
        assert sum(name.endswith("confusion.png") for name in stored_in(s3)) == 2
    assert not (tmp_path / "mlartifacts").exists(), "artifacts beside the bucket"
    assert query(postgres, "mlflow", "select count(*) from runs") == [(3,)]
