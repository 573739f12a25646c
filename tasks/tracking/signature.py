"""What the registered model takes and gives, declared, with an example that anyone can send."""

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pandas as pd
import soundfile
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec

from mfer_core.cache.schemas import SAMPLE_RATE


def model_signature(classes: Sequence[str]) -> ModelSignature:
    """Rows with ``path``, or ``content`` and ``name``; answers as mfer_core.prediction.Prediction says.

    A row that cannot be used is answered by ``path`` and ``reason``.
    """
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec("string", name, required=False) for name in ("path", "content", "name")
    ]
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec("string", "path"),
        ColSpec("double", "start_s", required=False),
        ColSpec("double", "end_s", required=False),
        ColSpec("string", "arm", required=False),
        ColSpec("string", "label", required=False),
        *(ColSpec("double", name, required=False) for name in classes),
        ColSpec("string", "reason", required=False),
    ]
    params = [ParamSpec("window_s", "double", 0.0), ParamSpec("step_s", "double", 1.0)]
    return ModelSignature(Schema(inputs), Schema(outputs), ParamSchema(params))


def input_example() -> pd.DataFrame:
    """A rising tone of a second as an upload: small, nobody's voice, and no file on the other machine."""
    seconds = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    tone = 0.3 * np.sin(2 * np.pi * (200 + 200 * seconds) * seconds)
    with BytesIO() as file:
        soundfile.write(file, tone, SAMPLE_RATE, format="FLAC")
        return pd.DataFrame([{"content": b64encode(file.getvalue()).decode(), "name": "tone.flac"}])
