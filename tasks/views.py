"""What MLflow's pages show of an experiment when they are opened: a description, and a saved view that compares the folds."""

import json

from mlflow import MlflowClient

UI = "http://127.0.0.1:5000"  # of `make ui`
VIEW = "folds"  # name of the saved view
SCORE = "test_accuracy"
COLUMNS = [
    *(f"metrics.`{name}`" for name in (SCORE, "test_uar", "test_macro_f1")),
    *(f"tags.`{name}`" for name in ("arm", "fold", "profile", "git_commit")),
]


def fold_view(address: str, experiment: str) -> str:
    """The address of the saved view of an experiment on the MLflow server at ``address``."""
    return f"{address}/#/experiments/{experiment}/runs?viewStateShareKey={VIEW}"


def run_page(address: str, experiment: str, run: str) -> str:
    """The address of a run's page."""
    return f"{address}/#/experiments/{experiment}/runs/{run}"


def describe_experiment(store: MlflowClient, experiment: str, name: str) -> None:
    """Put description and saved view (what the page's own button "Share" would save) on a new experiment."""
    tags = {"mlflow.experimentKind": "custom_model_development"}
    if name not in ("datasets", "register", "pretrain_vit", "pretrain_emotion2vec"):
        view = {
            "searchFilter": "tags.kind = 'fold'",
            "orderByKey": f"metrics.`{SCORE}`",
            "orderByAsc": False,
            "selectedColumns": COLUMNS,
            "runsHiddenMode": "SHOW_ALL",
        }
        tags |= {
            f"mlflow.sharedViewState.{VIEW}": json.dumps(view),
            "mlflow.experiment.primaryMetric.name": SCORE,
            "mlflow.note.content": f"Every fold of every arm under `{name}`, best first: [the folds]({fold_view('', experiment)}).",
        }
    for key, value in tags.items():
        store.set_experiment_tag(experiment, key, value)
