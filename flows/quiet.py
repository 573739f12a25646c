"""Nothing calls home: the switches of every library that would, set before any of them is imported."""

import os

SWITCHES = {
    "DO_NOT_TRACK": "true",  # the word: MLflow ignores 1
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DVC_NO_ANALYTICS": "true",
    "TOKENIZERS_PARALLELISM": "false",
}


def quiet() -> None:
    """Set the switches in this process and its children."""
    os.environ.update(SWITCHES)
