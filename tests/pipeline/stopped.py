"""A pipeline that is stopped again and again, and what came of it."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.pipeline.clone import LIMIT_S, environment
from tests.waiting import wait_in

PASSED_ON_S = 1
ORPHAN_S = 3  # A process may outlive its parent by this much.


@dataclass(frozen=True)
class Ending:
    """What came of a `dvc repro` in which somebody pressed Ctrl-C."""

    status: int
    printed: str
    seconds: float  # from Ctrl-C to the end of `dvc`
    orphans: list[str]  # commands of the processes that outlived it


@dataclass(frozen=True)
class Reproduced:
    """The story of a pipeline that is complete now."""

    endings: dict[str, Ending]  # by the stage that was stopped
    shards_at_kill: dict[Path, int]  # shards of extract that were done when `dvc` was killed, and when
    resumed_ns: int  # when `make run` went on after all that
    printed: str  # by that `make run`


def press_ctrl_c(project: Path, stage: str, api: str) -> Ending:
    """Run `dvc repro STAGE` and press Ctrl-C when the stage's first result is about to get its name."""
    held = project / f"held-{stage}"
    folder = project / "data" / ("raw/demo" if stage == "demo" else stage)
    process, log = start(project, stage, api, HOLD_AT=str(folder), HELD=str(held))
    wait_in(process, log, held.exists, f"{stage} has a result")
    family, pressed = at_work(project), time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    # On a busy machine the signal takes a moment to the fork of another session, to which it is passed on.
    while all(map(psutil.Process.is_running, family)) and time.monotonic() < pressed + PASSED_ON_S:
        time.sleep(0.05)
    held.with_name(f"{held.name}-pressed").touch()
    process.wait(timeout=LIMIT_S)
    seconds = time.monotonic() - pressed
    orphans = [" ".join(process.cmdline()) for process in psutil.wait_procs(family, ORPHAN_S)[1]]
    return Ending(process.returncode, log.read_text(), seconds, orphans)


def kill_in_extract(project: Path, api: str) -> dict[Path, int]:
    """Kill a `dvc repro` without a word when a shard is there: what it started has to end by itself."""
    process, log = start(project, "extract", api)
    wait_in(process, log, lambda: shards_done(project), "the first shard")
    process.send_signal(signal.SIGKILL)
    process.wait()
    return shards_done(project)


def shards_done(project: Path) -> dict[Path, int]:
    shards = (project / "data" / "extract" / "ravdess").glob("[0-9]*.parquet")
    return {path: path.stat().st_mtime_ns for path in shards}


def start(project: Path, stage: str, api: str, **more: str) -> tuple[subprocess.Popen, Path]:
    """`dvc repro STAGE` in a session of its own, as in a terminal, and the file with what it prints."""
    log = project / f"{stage}.log"
    surroundings = environment(project, PREFECT_API_URL=api, **more)
    with log.open("w") as file:
        process = subprocess.Popen(
            ["dvc", "repro", stage],
            cwd=project,
            env=surroundings,
            stdout=file,
            stderr=file,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    return process, log


def at_work(project: Path) -> list[psutil.Process]:
    """Every `dvc repro` that works in the clone, all below it, and the forks in which stages run.

    The fork servers themselves are left out: they serve on for a while.
    """
    runs, servers = [], []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        words = set(process.info["cmdline"] or []) if process.info["cwd"] == str(project) else set()
        if {"dvc", "repro"} <= {Path(word).name for word in words}:
            runs.append(process)
        if "flows.fork_server" in words:
            servers.append(process)
    forks = {fork for server in servers for fork in _below(server)}
    below = {child for run in runs for child in _below(run)}
    return list({*runs, *forks, *below} - (set(servers) - forks))


def _below(process: psutil.Process) -> list[psutil.Process]:
    """All processes below one; none of one that has ended since it was listed."""
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
