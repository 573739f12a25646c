"""Which stage of a run starts next: all that it reads is there, and the machine has cores for it."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A stage in DVC's plan of a run."""

    name: str  # DVC's address, such as extract@urdu
    needs: frozenset[str]  # the stages of the same plan that write what this one reads
    is_stale: bool  # DVC holds the stage for changed as the files lie now
    seconds: float  # about how long it takes beside the others of the plan
    on_gpu: bool  # whether the stage computes on the GPU where the machine has one


class Schedule:
    """The steps that may start, those that run, and those that wait. Steps without work are passed over."""

    def __init__(self, steps: Iterable[Step], cores: int, gpus: int, force: bool = False):
        self._waiting = {step.name: step for step in steps}
        self._cores, self._gpus, self._force = cores, gpus, force
        self._length = _lengths(self._waiting)
        self._running: dict[str, Step] = {}
        self._ran: set[str] = set()
        self.passed_over: list[str] = []  # neither changed, nor behind a step that ran

    @property
    def running(self) -> list[str]:
        """The names of the steps that have started and not ended."""
        return list(self._running)

    @property
    def left(self) -> int:
        """How many steps have neither started nor been passed over."""
        return len(self._waiting)

    def start(self) -> list[Step]:
        """The steps to start now; the first ones are those with the longest way to the end of the run."""
        self._pass_over()
        started = []
        for step in sorted(filter(self._is_ready, self._waiting.values()), key=self._urgency):
            if self._has_room(step):
                started.append(self._waiting.pop(step.name))
                self._running[step.name] = step
        return started

    def end(self, name: str, ran: bool) -> None:
        """The step has ended; ``ran`` is false where DVC, asked again, held it for unchanged."""
        del self._running[name]
        if ran:
            self._ran.add(name)

    def _pass_over(self) -> None:
        """Take out the steps that cannot change any more, in the plan's order: after all that they need."""
        for step in [*self._waiting.values()]:
            may_change = step.is_stale or self._force or step.needs & (self._ran | {*self._running})
            if not may_change and not step.needs & {*self._waiting}:
                self.passed_over.append(self._waiting.pop(step.name).name)

    def _is_ready(self, step: Step) -> bool:
        return not step.needs & ({*self._waiting} | {*self._running})

    def _has_room(self, step: Step) -> bool:
        if step.on_gpu and sum(other.on_gpu for other in self._running.values()) >= self._gpus:
            return False
        return len(self._running) < self._cores

    def _urgency(self, step: Step) -> float:
        return -self._length[step.name]


def _lengths(steps: dict[str, Step]) -> dict[str, float]:
    """Name -> about how many seconds the longest way from its start to the end of the run takes."""
    lengths = {name: step.seconds for name, step in steps.items()}
    for step in reversed(steps.values()):
        for name in step.needs:
            lengths[name] = max(lengths[name], lengths[step.name] + steps[name].seconds)
    return lengths
