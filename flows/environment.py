"""The libraries' switches in the environment: nothing calls home, nothing chatters. Set before any of them is
imported.
"""

import os
import sys
from pathlib import Path

SWITCHES = {
    "DO_NOT_TRACK": "true",  # The value is the word, because MLflow ignores 1.
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DVC_NO_ANALYTICS": "true",
    "TOKENIZERS_PARALLELISM": "false",
}
VERBOSE = "MFER_VERBOSE"  # Set by `mfer --verbose`; stages below `dvc`, and their pools, inherit it.
# A server that is down or hangs costs seconds, not many minutes; `flows track` catches up. A person may set
# others.
PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "60", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}


def set_environment() -> None:
    """Set the switches in this process and its children."""
    os.environ.update(SWITCHES)
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)


def program_name() -> str:
    """What a person types to start this program."""
    return "mfer" if Path(sys.argv[0]).stem == "mfer" else "python -m flows"
