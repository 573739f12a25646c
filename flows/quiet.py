"""Nothing calls home, nothing chatters: the libraries' switches, set before any of them is imported."""

import os

SWITCHES = {
    "DO_NOT_TRACK": "true",  # the word: MLflow ignores 1
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # a server that is down costs seconds, not minutes; `flows track` catches up
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DVC_NO_ANALYTICS": "true",
    "TOKENIZERS_PARALLELISM": "false",
}


def quiet() -> None:
    """Set the switches in this process and its children."""
    os.environ.update(SWITCHES)
