"""What the registered model takes and gives, declared, with an example that anyone can send."""

from base64 import b64encode
from io import BytesIO

import numpy as np
import pandas as pd
import soundfile
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

from mfer_core.base.labels import label_set

EXAMPLE_RATE = 16_000  # Hz


def model_signature() -> ModelSignature:
    """Rows with ``path``, or ``content`` and ``name``; answers as mfer_core.prediction.predictor.Prediction says."""
    inputs = [ColSpec("string", name, required=False) for name in ("path", "content", "name")]
    places = [
        ColSpec("string", "path"),
        ColSpec("double", "start_s"),
        ColSpec("double", "end_s"),
        ColSpec("string", "arm"),
    ]
    outputs = [*places, ColSpec("string", "label"), *(ColSpec("double", name) for name in label_set("eight"))]
    params = [ParamSpec("window_s", "double", 0.0), ParamSpec("step_s", "double", 1.0)]
    return ModelSignature(Schema(inputs), Schema(outputs), ParamSchema(params))


def input_example() -> pd.DataFrame:
    """A rising tone of a second as an upload: small, nobody's voice, and it needs no file on the other machine."""
    seconds = np.arange(EXAMPLE_RATE) / EXAMPLE_RATE
    with BytesIO() as file:
        soundfile.write(
            file, 0.3 * np.sin(2 * np.pi * (200 + 200 * seconds) * seconds), EXAMPLE_RATE, format="FLAC"
        )
        return pd.DataFrame([{"content": b64encode(file.getvalue()).decode(), "name": "tone.flac"}])
