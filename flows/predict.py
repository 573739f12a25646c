"""The command predict: media files in, tables, plots and a page out."""

from collections.abc import Iterator
from pathlib import Path

from mfer_core.base.errors import MferError
from mfer_core.base.progress import track
from mfer_core.prediction import Predictor
from mfer_core.prediction.media_files import find_media
from mfer_core.prediction.notes import notes_on
from mfer_core.prediction.page import write_page
from mfer_core.prediction.plot import plot_prediction
from mfer_core.prediction.predictor import Prediction
from mfer_core.prediction.tables import Rejected, Run, Seen, write_tables
from mfer_core.prediction.windows import window_spans

ALL, NONE, SOME = 0, 1, 2  # exit status: every file was predicted, none, some were rejected
REGISTRY = "models:/"


def predict_media(
    paths: list[Path], model: str, window_s: float, step_s: float, out: Path | None
) -> tuple[Run, int]:
    """Predict every media file of ``paths``, into ``out`` where it is given; returns what was found and the exit status.

    A file that cannot be used is a row of ``Run.rejected``, and the others go on. Raises MferError where nothing can start.
    """
    window_spans(0.0, window_s, step_s)  # refuses what no file could be looked at with
    files, others = find_media(paths)
    if not files:
        raise MferError(f"no video or audio file in {', '.join(map(str, paths))}")
    predictor = Predictor.load(model_folder(model))
    run = Run(
        model, predictor.warning, window_s, step_s, predictor.classes, others=[str(path) for path in others]
    )
    plots: dict[str, Path] = {}
    for result in track(_results(predictor, files, window_s, step_s), "predict", len(files)):
        if isinstance(result, Rejected):
            run.rejected.append(result)
            continue
        notes = notes_on(result.clip, predictor.settings.extract)
        run.seen.append(
            Seen(result.path, result.clip.facts["duration_s"], notes, result.table, result.timeline)
        )
        if out:
            plots[result.path] = out / "plots" / f"{len(run.seen):04d}-{Path(result.path).stem}.png"
            plot_prediction(result, plots[result.path])
    if out:
        for stale in {*(out / "plots").glob("[0-9][0-9][0-9][0-9]-*.png")} - {*plots.values()}:
            stale.unlink()  # of an earlier run
        write_tables(run, out)
        write_page(run, plots, out / "report.html")
    return run, (SOME if run.rejected else ALL) if run.seen else NONE


def model_folder(model: str) -> Path:
    """A folder as it stands, or that of a version in the MLflow registry (``models:/mfer@champion``, ``models:/mfer/3``)."""
    if not model.startswith(REGISTRY):
        return Path(model)
    from mfer_core.base.settings import load_settings
    from tasks.tracking.registry import registered_folder

    return registered_folder(model, load_settings().tracking)


def _results(
    predictor: Predictor, files: list[Path], window_s: float, step_s: float
) -> Iterator[Prediction | Rejected]:
    for path in files:
        try:
            yield predictor.examine(path, window_s, step_s)
        except MferError as error:
            yield Rejected(str(path), str(error))
