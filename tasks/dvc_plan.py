"""What DVC would do: the stages of a run in its order, what each one waits for, and which are out of date."""

import os
import re
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.stage import Stage

from mfer_core.base.errors import MferError
from mfer_core.base.settings import Settings
from tasks.schedule import Step

PIPELINE = "dvc.yaml"
GPU = Path("/dev/nvidiactl")  # The driver of NVIDIA's GPUs makes it.
START_S = 3.0  # A stage takes so long before its work starts.
BLOCKED = re.compile(r"is busy, it is being blocked by:\s+\(PID (\d+)\)")


class BusyError(MferError):
    """Another `dvc` works on the files of a stage; ``pid`` is its number."""

    def __init__(self, message: str, pid: int):
        super().__init__(message)
        self.pid = pid


def plan(settings: Settings, targets: list[str], downstream: bool = False) -> list[Step]:
    """The stages that `dvc repro` would look at for ``targets`` (none: all), each after all that it needs.

    Raises BusyError where another `dvc` works on their files, and MferError with DVC's words where it finds
    a fault.
    """
    try:
        with Repo(_wait_for_lock=True) as repo, lock_repo(repo):
            graph = get_active_graph(repo.index.graph)
            stages = plan_repro(graph, collect_stages(repo, targets or [PIPELINE]), downstream=downstream)
            names = {stage.addressing for stage in stages}
            # `Repo.status` would read dvc.yaml and dvc.lock again for each of the stages.
            stale = {stage.addressing for stage in stages if stage.status(check_updates=True)}
            needs = {
                stage: {other.addressing for other in graph.successors(stage)} & names for stage in stages
            }
            return [_step(stage, settings, needs[stage], stage.addressing in stale) for stage in stages]
    except DvcException as error:
        if isinstance(error, LockError) and (blocked := BLOCKED.search(str(error))):
            raise BusyError(str(error), int(blocked[1])) from error
        raise MferError(f"DVC cannot plan a run: {error}") from error


def is_up_to_date(settings: Settings, targets: list[str], downstream: bool) -> bool:
    """Whether DVC holds none of the stages for out of date, and nobody works on them.

    False where DVC cannot tell: the run says why.
    """
    try:
        return not any(step.is_stale for step in plan(settings, targets, downstream))
    except MferError:
        return False


def machine() -> tuple[int, int]:
    """How many cores this machine has, and how many stages that ask for a GPU it takes at a time.

    That is one where there is a GPU; else they work on the cores.
    """
    cores = os.cpu_count() or 1
    return cores, 1 if GPU.exists() else cores


def _step(stage: Stage, settings: Settings, needs: set[str], is_stale: bool) -> Step:
    """``meta`` of a stage in dvc.yaml says how many seconds it takes, where that is more than its start.

    The section of its name in the settings says whether its work goes to a GPU.
    """
    seconds = (stage.meta or {}).get("seconds", START_S)
    device = getattr(getattr(settings, stage.addressing.split("@")[0], None), "device", "cpu")
    return Step(stage.addressing, frozenset(needs), is_stale, float(seconds), device != "cpu")
