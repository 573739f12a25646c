"""The command predict: media files in, tables, plots and pages out."""

from pathlib import Path

from mfer_core.base.errors import MferError
from mfer_core.base.settings import load_settings
from mfer_core.prediction import Predictor
from mfer_core.prediction.batch import Batch
from mfer_core.prediction.media_files import find_media
from mfer_core.prediction.results_folder import ResultsFolder
from mfer_core.prediction.run import PredictionRun
from mfer_core.prediction.windows import window_spans

ALL, NONE, SOME, STOPPED = (
    0,
    1,
    2,
    130,
)  # exit status: every file was predicted, none, some were rejected, Ctrl-C
REGISTRY = "models:/"


def predict_media(
    paths: list[Path],
    model: str,
    window_s: float,
    step_s: float,
    out: Path | None,
    max_minutes: float | None = None,
) -> tuple[PredictionRun, int]:
    """Predict every media file of ``paths``, into ``out`` where it is given; returns what was found and the
    exit status.

    Raises MferError where nothing can start: everything that can be refused is refused before anything is
    computed.
    """
    window_spans(0.0, window_s, step_s)  # Raises before any file is opened if window and step are impossible.
    files = find_media(paths, out)
    if not (files.recordings or files.faults):
        raise MferError(f"no video or audio file in {', '.join(map(str, paths))}")
    if out:
        ResultsFolder(out).check_writable()
    if max_minutes is None:
        max_minutes = load_settings().predict.max_minutes
    predictor = Predictor.load(model_folder(model), max_minutes=max_minutes, apart=True)
    run = Batch(predictor, model, window_s, step_s, out).run(files)
    if run.left:
        return run, STOPPED
    return run, (SOME if run.rejected else ALL) if run.done else NONE


def model_folder(model: str) -> Path:
    """A folder as it stands, or that of a version in the MLflow registry (``models:/mfer@champion``,
    ``models:/mfer/3``).
    """
    if not model.startswith(REGISTRY):
        return Path(model)
    from tasks.tracking.registry import registered_folder

    return registered_folder(model, load_settings().tracking)
