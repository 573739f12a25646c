"""Log results to MLflow after the fact: MLflow was down during the run, or DVC took it from its cache."""

from mfer_core.base.errors import MferError
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from tasks.tracking.fold_runs import log_finals, log_folds
from tasks.tracking.registry import register_folder
from tasks.tracking.result_runs import log_stage
from tasks.tracking.store import attempt, missed


def track_results(data: DataPaths, settings: Settings) -> None:
    """Log every fold, every result and the registered model; what MLflow holds already is left alone.

    Raises MferError naming what MLflow did not take.
    """
    log_folds(data, settings)
    log_finals(data, settings)
    for stage in ("evaluate", "transfer"):
        if data.metrics(stage).exists():
            log_stage(stage, data, settings)
    if data.model.exists():
        outcome = attempt("the model", lambda: register_folder(data, settings), settings.tracking)
        print(outcome or "the model is not registered")
    if missed:
        raise MferError(
            f"MLflow did not take {', '.join(dict.fromkeys(missed))}: mend what it says above and start again"
        )
