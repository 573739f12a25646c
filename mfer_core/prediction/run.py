"""The result of one call of predict."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mfer_core.prediction.results_folder import RecordingResult, ResultsFolder


@dataclass(frozen=True)
class HeadSource:
    """Where an arm's head comes from, in words."""

    arm: str
    checkpoint: str
    revision: str | None
    hash: str  # the hash of its weights and configuration
    labels: list[str]  # the checkpoint's own spelling
    left_out: list[str]  # the labels that are not among the classes
    labels_seen: str  # whose labels it was trained on
    licence: str
    temperature: float

    def __str__(self) -> str:
        left_out = f"; left out: {', '.join(self.left_out)}" if self.left_out else ""
        softened = f"; temperature {self.temperature:g}" if self.temperature != 1 else ""
        return (
            f"{self.arm}: {self.checkpoint} (revision {self.revision or 'not pinned'}; licence: "
            f"{self.licence}; emotion labels seen in its training: {self.labels_seen}{left_out}{softened})"
        )


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
    about: list[str] = field(default_factory=list)  # Lines that must stand beside published heads' figures.
    sources: tuple[HeadSource, ...] = ()  # of published heads
    done: list[Path] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # files of folders that are no recordings
    left: int = 0  # recordings that were not looked at, because the run was stopped

    @property
    def seen(self) -> Iterator[RecordingResult]:
        """Every recording that is done, in the order of the files."""
        return map(self.results.read, self.done)
