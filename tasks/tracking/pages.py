"""What MLflow's pages show of an experiment when opened: a description and a saved view of the folds.

The saved view is what the page's button "Share" saves. Its tag and its fields are in no documentation, so a
test looks for them in the pages of the installed MLflow.
"""

import json

from mlflow import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME, MLFLOW_RUN_NOTE

UI = "http://127.0.0.1:5000"  # address of `make ui`
FOLDS = "folds"  # name of the saved view
SHARED_VIEW_TAG = "mlflow.sharedViewState."  # followed by the name of a saved view
KIND_TAG = "mlflow.experimentKind"
KIND = "custom_model_development"
SCORE = "test_accuracy"
COLUMNS = [
    *(f"metrics.`{name}`" for name in (SCORE, "test_uar", "test_macro_f1")),
    *(f"tags.`{name}`" for name in ("arm", "fold", "profile", "git_commit")),
]
VIEW = {
    "searchFilter": "tags.kind = 'fold'",
    "orderByKey": f"metrics.`{SCORE}`",
    "orderByAsc": False,
    "selectedColumns": COLUMNS,
    "runsHiddenMode": "SHOW_ALL",
}
WITHOUT_FOLDS = ("datasets", "register", "pretrain_vit", "pretrain_emotion2vec")  # experiments


def fold_view(address: str, experiment_id: str) -> str:
    """The address of the saved view of an experiment on the MLflow server at ``address``."""
    return f"{address}/#/experiments/{experiment_id}/runs?viewStateShareKey={FOLDS}"


def fold_views(address: str) -> dict[str, str]:
    """Name of every experiment on that server that holds folds -> the address of its saved view."""
    experiments = MlflowClient(address).search_experiments()
    return {
        one.name: fold_view(address, one.experiment_id)
        for one in experiments
        if SHARED_VIEW_TAG + FOLDS in one.tags
    }


def run_page(address: str, experiment_id: str, run: str) -> str:
    """The address of a run's page."""
    return f"{address}/#/experiments/{experiment_id}/runs/{run}"


def describe_experiment(store: MlflowClient, experiment_id: str, name: str) -> None:
    """Put description and saved view on a new experiment."""
    tags = {KIND_TAG: KIND}
    if name not in WITHOUT_FOLDS:
        link = f"[the folds]({fold_view('', experiment_id)})"
        tags |= {
            SHARED_VIEW_TAG + FOLDS: json.dumps(VIEW),
            MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME: SCORE,
            MLFLOW_RUN_NOTE: f"Every fold of every arm under `{name}`, best first: {link}.",
        }
    for key, value in tags.items():
        store.set_experiment_tag(experiment_id, key, value)
