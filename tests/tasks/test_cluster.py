"""Shards and folds on a real Dask scheduler with two workers: the same bytes, also when a worker is killed in
mid-run.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from distributed import Client
from prefect import flow
from prefect._internal.concurrency.services import QueueService
from prefect.testing.utilities import prefect_test_harness

from mfer_core.base.errors import MferError
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import PretrainVit, Shards, load_settings
from mfer_core.cache.code import ROOT
from mfer_core.encoders.vit_start import build_vit, preprocessing_of, save_vit
from tasks import cluster
from tasks.embed import embed_side_by_side
from tasks.extract import extract_shards
from tasks.runner import run_side_by_side
from tasks.train import train_fold
from tests.encoders.conftest import EMBED, VIT, extracted
from tests.media.recordings import face_picture, tone, write_clip
from tests.media.test_extract import contents, manifest_of, run
from tests.training.synthetic import small_settings, train_visual_fold, write_benchmark


@pytest.fixture(scope="module")
def api():
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project's folder, and the present one while the tests of this module run."""
    folder, before = tmp_path_factory.mktemp("project"), Path.cwd()
    shutil.copy2(ROOT / "dvc.yaml", folder)
    os.chdir(folder)
    yield folder
    os.chdir(before)


def start(project: Path, *command: str) -> subprocess.Popen:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with (project / "dask.log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=project,
            env=os.environ | {"PYTHONPATH": path},
            stdout=log,
            stderr=log,
        )


def kill(process: subprocess.Popen) -> None:
    """End a worker as a power cut would: what watches over it first."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        member.send_signal(signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def workers(project):
    """The scheduler's address and two worker processes, as the documentation starts them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    scheduler = start(
        project,
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-dashboard",
    )
    two = [start(project, "flows", "worker", address) for _ in range(2)]
    try:
        with Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield SimpleNamespace(address=address, processes=two)
    finally:
        for process in (*two, scheduler):
            if process.poll() is None:
                kill(process)


def in_flow(work):
    """What ``work`` returns, called inside a flow run."""
    return flow(name="test")(lambda: work())()


@pytest.mark.parametrize("where", ["dask", "scheduler"])
def test_folds_on_a_cluster_give_the_bytes_of_the_local_run(project, api, workers, where):
    settings = small_settings(train_visual={"epochs": 2})
    for name in ("local", where):
        write_benchmark(project / name, settings, speakers=4)
    calls = [
        {
            "stage": "train_visual",
            "protocol": "groupk:2",
            "seed": 42,
            "fold": fold,
            "data": Path(where),
            "settings": settings,
        }
        for fold in range(2)
    ]
    address = where if where == "dask" else workers.address
    folders = in_flow(lambda: list(run_side_by_side(train_fold, calls, address, "processes", 2, "folds")))
    assert {folder.name for folder in folders} == {"fold-0", "fold-1"}
    for fold in range(2):
        train_visual_fold("groupk:2", fold, project / "local", settings)
    assert contents(project / where / "train_visual") == contents(project / "local" / "train_visual")


def embedded(data: Path, runner: str) -> dict[str, bytes]:
    """The ViT embeddings of twelve clips and of an augmented view of each, by file."""
    torch.manual_seed(1)
    vit, keys = PretrainVit(**VIT), {f"toy/{number}": "key" for number in range(12)}
    extracted(data / "extract", keys)
    save_vit(build_vit(vit), preprocessing_of(vit), data / "pretrain_vit")
    (data / "extract" / "toy").rename(data / "extract" / "ravdess")
    changes = {"runner": runner, "shards": Shards(embed=4), "embed": EMBED.model_copy(update={"views": 1})}
    settings = small_settings().model_copy(update=changes)
    assert in_flow(lambda: embed_side_by_side("ravdess", "visual", data, settings)) == 2 * len(keys)
    return contents(data / "embed")


def test_shards_of_embeddings_from_a_cluster_are_those_of_one_process(project, api, workers):
    one = embedded(Path("one"), "local")
    assert len(one) > 4
    assert embedded(Path("many"), workers.address) == one


@pytest.mark.parametrize(
    ("dvc_yaml", "code", "fault"),
    [(True, "0" * 16, "runs other code"), (False, None, "not in the project's folder")],
)
def test_a_worker_that_would_compute_something_else_is_refused(tmp_path, monkeypatch, dvc_yaml, code, fault):
    monkeypatch.chdir(tmp_path)
    if dvc_yaml:
        (tmp_path / "dvc.yaml").touch()
    if code:
        monkeypatch.setattr(cluster, "project_digest", lambda: code)
    with (
        Client(processes=False, n_workers=1, dashboard_address=None, set_as_default=False) as client,
        pytest.raises(MferError, match=fault),
    ):
        cluster.check_workers(SimpleNamespace(client=client, address=None))


def test_a_scheduler_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "START_TIMEOUT_S", 0.2)
    with (
        cluster.dask_runner("tcp://127.0.0.1:9", 2) as runner,
        pytest.raises(MferError, match=r"tcp://127\.0\.0\.1:9"),
    ):
        cluster.check_workers(runner)


class Events(QueueService[str]):
    """One of the services that Prefect makes once in a process."""

    async def _handle(self, item: str) -> None:
        """Takes what is sent."""


def test_a_worker_asks_the_server_of_the_present_run_and_no_former_one(monkeypatch):
    monkeypatch.setattr(cluster, "_server", "")
    cluster.leave_former_server("http://127.0.0.1:1/api")
    first = Events.instance()
    cluster.leave_former_server("http://127.0.0.1:1/api")
    assert Events.instance() is first
    cluster.leave_former_server("http://127.0.0.1:2/api")
    assert Events.instance() is not first


def test_a_worker_that_is_killed_loses_nothing(project, api, workers):
    """The last test here: it leaves one worker."""
    settings = load_settings(ROOT / "params.yaml").extract
    raw = project / "raw"
    raw.mkdir()
    for number in range(14):
        write_clip(
            raw / f"{number}.mp4", [face_picture((100 + number, 90, 100))] * 20, range(0, 800, 40), tone(0.8)
        )
    (raw / "broken.wav").write_bytes(b"not a recording")
    manifest = manifest_of(raw)
    clips = project / "killed" / "extract" / "c"
    done = []

    def kill_in_mid_run():
        while not (found := list(clips.glob("[0-9]*.parquet"))):
            time.sleep(0.01)
        kill(workers.processes[0])
        done.extend(found)

    threading.Thread(target=kill_in_mid_run).start()
    address = workers.address  # what a flow captures travels to the workers
    paths = DataPaths(Path("killed"))
    in_flow(lambda: extract_shards("c", manifest, Path("raw"), paths, settings, 1, 2, address))
    assert len(done) < len(list(clips.glob("[0-9]*.parquet"))) / 2
    with Client(workers.address, timeout=60, set_as_default=False) as client:
        assert len(client.scheduler_info()["workers"]) == 1
    assert run(raw, project / "killed", settings, shard_clips=1)["computed"] == 0
    run(raw, project / "local-shards", settings, shard_clips=1)
    assert contents(project / "killed") == contents(project / "local-shards")
