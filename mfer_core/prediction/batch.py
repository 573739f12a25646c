"""Many recordings through one model: each is written as soon as it is done, and a later run goes on from
there.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from mfer_core.base.errors import ClipError
from mfer_core.base.files import digest, remove, sha256_file
from mfer_core.base.folders import readable
from mfer_core.base.progress import track
from mfer_core.base.workers import LostWorkerError
from mfer_core.cache.code import code_digest
from mfer_core.prediction.exports import write_exports
from mfer_core.prediction.media_files import MediaFiles
from mfer_core.prediction.notes import notes_on
from mfer_core.prediction.page import TEMPLATES, write_pages, write_recording
from mfer_core.prediction.plot import plot_prediction
from mfer_core.prediction.predictor import Prediction, Predictor
from mfer_core.prediction.results_folder import KINDS, PassingFolder, RecordingResult, ResultsFolder
from mfer_core.prediction.run import PredictionRun, Rejected
from mfer_core.prediction.tables import write_tables

# What the content of a file that is no recording makes of it.
NO_RECORDING = {"unreadable", "not a recording", "no usable stream", "empty file"}


@dataclass
class Batch:
    """One model, its windows, and where results go: into ``out``, or into a folder that goes with the run."""

    predictor: Predictor
    model: str  # the name under which the model is known
    window_s: float
    step_s: float
    out: Path | None

    @cached_property
    def results(self) -> ResultsFolder:
        return ResultsFolder(self.out) if self.out else PassingFolder()

    def run(self, files: MediaFiles) -> PredictionRun:
        """Predict every recording. A file that cannot be used is a row of ``PredictionRun.rejected``, and the
        others go on.

        KeyboardInterrupt ends the run, not what is done: tables and page are written, and
        ``PredictionRun.left`` says what is left.
        """
        run = self._begin()
        run.others = [readable(path) for path in files.others]
        run.rejected = [Rejected(readable(path), str(error)) for path, error in files.faults.items()]
        left = len(files.recordings)
        try:
            for path in track(files.recordings, "predict", left):
                self._predict(path, path in files.unsure, run)
                left -= 1
        except KeyboardInterrupt:
            run.left = left
        self._end(run)
        return run

    def keep(self, path: Path, prediction: Prediction) -> PredictionRun:
        """The run of one feed that was judged while it came; ``path`` is what it is called."""
        run = self._begin()
        self._keep(path, digest(datetime.now(UTC).isoformat()), prediction, run)
        run.done.append(path)
        self._end(run)
        return run

    def _begin(self) -> PredictionRun:
        predictor = self.predictor
        run = PredictionRun(
            self.model, predictor.warning, self.window_s, self.step_s, predictor.classes, self.results
        )
        run.about, run.sources = predictor.about, predictor.sources
        if predictor.neutral:
            run.about = [*run.about, predictor.neutral.about]
        return run

    def _end(self, run: PredictionRun) -> None:
        if self.out:
            if not run.left:
                self.results.prune(run.done)
            write_tables(run, self.out)
            write_pages(run, self.out / "report.html")

    def _predict(self, path: Path, unsure: bool, run: PredictionRun) -> None:
        try:
            key = self._key(path)
            if not self.results.holds(path, key, tuple(KINDS) if self.out else ("done",)):
                prediction = self.predictor.examine(path, self.window_s, self.step_s)
                self._keep(path, key, prediction, run)
            run.done.append(path)
        except ClipError as error:
            if unsure and error.reason in NO_RECORDING:
                run.others.append(readable(path))
            else:
                run.rejected.append(Rejected(readable(path), str(error)))
        except LostWorkerError as error:
            run.rejected.append(Rejected(readable(path), str(error)))
        except MemoryError:
            run.rejected.append(Rejected(readable(path), "too large: there is not enough memory for it"))

    def _keep(self, path: Path, key: str, prediction: Prediction, run: PredictionRun) -> None:
        seen = result_of(readable(path), prediction, self.predictor)
        if self.out:
            # An earlier run's mark would pass off this run's plot and pages, if it is killed, as its own.
            remove([self.results.file("done", path)])
            plot_prediction(prediction, self.results.file("plots", path))
            write_recording(run, path, seen)
            write_exports(self.results, path, seen, self.step_s)
        self.results.write(path, key, seen)

    def _key(self, path: Path) -> str:
        """Everything that shapes a recording's results, its name included. Raises ClipError for an unreadable
        file.
        """
        try:
            content = sha256_file(path)
        except OSError as error:
            raise ClipError("unreadable", str(error.strerror)) from error
        return digest(content, readable(path), self._shape)

    @cached_property
    def _shape(self) -> str:
        templates = [sha256_file(template) for template in sorted(TEMPLATES.glob("*.html"))]
        code = code_digest("mfer_core.prediction.batch")
        voices = self.predictor.voices
        told_apart = None if voices is None else (voices.encoder.metadata, voices.likeness)
        neutral = self.predictor.neutral
        model = (self.model, self.predictor.identity, told_apart, neutral and neutral.facts)
        return digest(*model, self.window_s, self.step_s, templates, code)


def result_of(name: str, prediction: Prediction, predictor: Predictor) -> RecordingResult:
    """A prediction as it is kept; ``name`` is the recording's path as it can be shown."""
    notes = notes_on(prediction.clip.facts, predictor.settings.extract)
    if predictor.voices is None and prediction.turns and _may_be_several(prediction):
        notes.append("speakers are not told apart: no speaker model is here")
    tables = (prediction.table, prediction.timeline, prediction.people, prediction.turns)
    return RecordingResult(name, prediction.clip.facts["duration_s"], notes, *tables)


def _may_be_several(prediction: Prediction) -> bool:
    """Whether several people are seen, or nobody is and any number may speak."""
    return bool(prediction.people) or not prediction.clip.facts["frames_with_face"]
