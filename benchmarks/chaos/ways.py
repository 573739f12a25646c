"""The ways in which a whole run is started: `dvc repro`, a deployment run by a worker, on Dask, and here.

The last two are the program's own run of all stages, side by side where none waits for the other.

Each way has processes that stand while runs come and go (a server, a worker, a scheduler). Whatever of them
was killed is started again before the next run, as whoever looks after them would.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

from flows.servers import free_port
from mfer_core.cache.code import ROOT

START_S = 300
# DVC writes its record of who works on what in place, and reads none that a kill cut off: README's troubles.
CUT_OFF = "JSON structure is corrupted"
RUNNING = {"SCHEDULED", "PENDING", "RUNNING", "CANCELLING", "PAUSED"}


class Repro:
    """`dvc repro` in a terminal of its own."""

    runner = "local"
    command: tuple[str, ...] = ("dvc", "repro")

    def __init__(self, root: Path):
        self.root, self.log = root, root.with_name("said.log")
        self._process: subprocess.Popen | None = None
        self._begun: list[subprocess.Popen] = []
        self.helped = 0  # times that a person had to type more than the command again

    def prepare(self) -> None:
        """Start whatever has to stand before a run; where DVC's record was cut off, type what README says."""
        if self.is_cut_off():
            self.helped += 1
            self._begin("flows", "check").wait(START_S)

    def is_cut_off(self) -> bool:
        """Whether the last run found DVC's record cut off."""
        return self.log.exists() and CUT_OFF in self.log.read_text(errors="replace")

    def start(self) -> None:
        """Start a run."""
        self.log.write_bytes(b"")
        self._process = self._begin(*self.command)

    def status(self) -> int | None:
        """The exit status of the run; None while it is at work."""
        return self._process.poll() if self._process else None

    def top(self) -> list[psutil.Process]:
        """The process that whoever started the run sees, if it is there."""
        return [psutil.Process(self._process.pid)] if self._process and self._process.poll() is None else []

    def speakers(self) -> list[psutil.Process]:
        """Other processes that say nothing when they are killed, although the run ends with them."""
        return []

    def standing(self) -> set[psutil.Process]:
        """What is not expected to end with a run."""
        return set()

    def end(self) -> None:
        """End whatever stands."""
        for process in self.standing():
            process.kill()

    def said(self) -> str:
        """What the run printed."""
        return self.log.read_text(errors="replace")

    def bury(self) -> None:
        """Take note of the end of adopted children. Popen does so itself for those that it started."""
        begun = {process.pid for process in self._begun if process.poll() is None}
        for process in psutil.Process().children():
            with suppress(psutil.NoSuchProcess, ChildProcessError):
                if process.status() == psutil.STATUS_ZOMBIE and process.pid not in begun:
                    os.waitpid(process.pid, os.WNOHANG)

    def _begin(self, *module: str, log: Path | None = None) -> subprocess.Popen:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        more = {"PYTHONPATH": str(ROOT), "PATH": path, "PREFECT_WORKER_QUERY_SECONDS": "1"}
        environment = {**os.environ, **more}
        environment.pop("PREFECT_API_URL", None)
        with (log or self.log).open("a") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=self.root,
                env=environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self._begun.append(process)
        return process

    def _wait_for(self, is_there: Callable[[], bool], process: subprocess.Popen, what: str) -> None:
        deadline = time.monotonic() + START_S
        while not is_there():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not start: {self.said()[-2000:]}")
            time.sleep(0.2)


class Local(Repro):
    """`python -m flows mfer` alone."""

    command = ("flows", "mfer")

    def is_cut_off(self) -> bool:
        """It mends DVC's record itself."""
        return False


def family_of(processes: Sequence[subprocess.Popen]) -> set[psutil.Process]:
    """Processes that live, and all below them."""
    living = [psutil.Process(process.pid) for process in processes if process.poll() is None]
    return {*living, *(child for process in living for child in process.children(recursive=True))}


class Dask(Local):
    """`python -m flows mfer` with a scheduler and two workers, each in a process of its own."""

    def __init__(self, root: Path):
        super().__init__(root)
        self._port = free_port()
        self.runner = f"tcp://127.0.0.1:{self._port}"
        self._stand: list[subprocess.Popen] = []

    def prepare(self) -> None:
        if self._stand and all(process.poll() is None for process in self._stand):
            return
        self.end()
        host = ("--host", "127.0.0.1", "--port", str(self._port), "--no-dashboard")
        log = self.root.with_name("dask.log")
        scheduler = self._begin("distributed.cli.dask_scheduler", *host, log=log)
        self._stand = [scheduler, *(self._begin("flows", "worker", self.runner, log=log) for _ in range(2))]
        self._wait_for(self._has_both, scheduler, "Dask")

    def _has_both(self) -> bool:
        from distributed import Client

        try:
            with Client(self.runner, timeout=5, set_as_default=False) as client:
                return len(client.scheduler_info()["workers"]) >= 2
        except OSError:
            return False

    def standing(self) -> set[psutil.Process]:
        return family_of(self._stand)


class Worker(Repro):
    """The deployment, run by the server and the worker of `mfer serve`."""

    is_cut_off = Local.is_cut_off

    def __init__(self, root: Path):
        super().__init__(root)
        self._serve: subprocess.Popen | None = None
        self._stands: set[psutil.Process] = set()
        self._api = self._run = ""

    def prepare(self) -> None:
        if self._serve and self._serve.poll() is None:
            return
        port = free_port()
        self.log.write_bytes(b"")
        self._serve = self._begin("flows", "serve", "--port", str(port))
        self._api = f"http://127.0.0.1:{port}/api"
        self._wait_for(lambda: "prefect deployment run" in self.said(), self._serve, "serve")
        self._wait_for(self._has_worker, self._serve, "the worker")
        self._stands = family_of([self._serve])

    def _has_worker(self) -> bool:
        """Whether the worker runs. The server also knows those of former servers."""
        return any(
            "worker start" in words(process) for process in family_of([self._serve] if self._serve else [])
        )

    def speakers(self) -> list[psutil.Process]:
        return [psutil.Process(self._serve.pid)] if self._serve and self._serve.poll() is None else []

    def start(self) -> None:
        self.log.write_bytes(b"")
        url = f"{self._api}/deployments/name/mfer/full-pipeline"
        deployment = _answer(lambda: httpx.get(url, timeout=60))["id"]
        create = f"{self._api}/deployments/{deployment}/create_flow_run"
        self._run = _answer(lambda: httpx.post(create, json={}, timeout=60))["id"]

    def status(self) -> int | None:
        if self._serve is None or self._serve.poll() is not None:
            return 1  # as it says itself
        chosen = {"deployments": {"name": {"any_": ["full-pipeline"]}}, "sort": "EXPECTED_START_TIME_DESC"}
        try:
            answer = httpx.post(f"{self._api}/flow_runs/filter", json=chosen, timeout=60)
            states = {run["id"]: run["state_type"] for run in answer.raise_for_status().json()}
        except httpx.HTTPError:
            return None  # It ends soon, or answers soon.
        # A run that waited when its worker was killed is run by the next one, beside the run started here.
        return None if RUNNING & {*states.values()} else int(states.get(self._run) != "COMPLETED")

    def top(self) -> list[psutil.Process]:
        below = family_of([self._serve] if self._serve else []) - self._stands
        return [process for process in below if "prefect.engine" in words(process)][:1]

    def standing(self) -> set[psutil.Process]:
        serves = self._serve is not None and self._serve.poll() is None
        return {process for process in self._stands if process.is_running()} if serves else set()

    def said(self) -> str:
        return super().said() + self._logged()

    def _logged(self) -> str:
        """What the newest run logged, where the server is there."""
        chosen = {"logs": {"flow_run_id": {"any_": [self._run]}}, "limit": 200}
        try:
            lines = httpx.post(f"{self._api}/logs/filter", json=chosen, timeout=60).json()
            return "".join(f"{line['message']}\n" for line in lines)
        except (httpx.HTTPError, json.JSONDecodeError, TypeError, KeyError):
            return ""


def _answer(ask: Callable[[], httpx.Response]) -> dict:
    """What the server answers; while it is too busy, it is asked again, as Prefect's own client does."""
    deadline = time.monotonic() + START_S
    while (response := ask()).status_code == httpx.codes.SERVICE_UNAVAILABLE and time.monotonic() < deadline:
        time.sleep(1)
    return response.raise_for_status().json()


def words(process: psutil.Process) -> str:
    """A process's command; empty when it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


WAYS: dict[str, type[Repro]] = {"repro": Repro, "worker": Worker, "dask": Dask, "mfer": Local}
