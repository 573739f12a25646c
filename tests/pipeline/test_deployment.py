"""The real pipeline on a shrunk real configuration as a deployment: a Prefect server and a worker."""

from pathlib import Path

import httpx
import psutil
from ruamel.yaml import YAML

from tests.pipeline.clone import DEMO, run
from tests.pipeline.stopped import at_work
from tests.waiting import wait_for


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


def test_a_deployment_run_after_dvc_says_up_to_date(project, reproduced, api):
    assert "0 stages ran" in deploy_run(project, api)
    reports = {
        artifact["key"]: artifact["data"]
        for artifact in httpx.post(f"{api}/artifacts/latest/filter", json={}).json()
    }
    assert all("clips of" in reports[f"dataset-{corpus}".replace("_", "-")] for corpus in DEMO)


def test_what_a_deployment_run_makes_is_up_to_date_for_dvc(project, reproduced, api):
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


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def flow_runs(url: str, name: str) -> list[dict]:
    """Newest first."""
    chosen = {"flow_runs": {"name": {"any_": [name]}}, "sort": "START_TIME_DESC"}
    return httpx.post(f"{url}/flow_runs/filter", json=chosen, timeout=30).raise_for_status().json()


def test_a_cancelled_run_ends_its_work_and_the_next_one_goes_on(project, reproduced, api):
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
    run(project, "dvc", "repro", PREFECT_API_URL=api)
    assert "Data and pipelines are up to date" in run(project, "dvc", "status")
