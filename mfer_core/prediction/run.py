"""The result of one call of predict."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mfer_core.prediction.results_folder import RecordingResult, ResultsFolder


@dataclass(frozen=True)
class Rejected:
    """A file that could not be looked at."""

    path: str
    reason: str


@dataclass
class PredictionRun:
    """The result of one call of predict. Recordings are read back one by one, so no more than one is in
    memory.
    """

    model: str
    warning: str | None  # A warning that must stand beside the model's figures.
    window_s: float
    step_s: float
    classes: tuple[str, ...]
    results: ResultsFolder
    done: list[Path] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # files of folders that are no recordings
    left: int = 0  # recordings that were not looked at, because the run was stopped

    @property
    def seen(self) -> Iterator[RecordingResult]:
        """Every recording that is done, in the order of the files."""
        return map(self.results.read, self.done)
