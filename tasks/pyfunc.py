"""The registered model as MLflow loads it: from this file and safetensors, never from a pickle."""

from base64 import b64decode
from binascii import Error
from pathlib import Path
from tempfile import NamedTemporaryFile

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel


class MferModel(PythonModel):
    """Media files in, a label and a probability per emotion out, for each arm.

    A row of the input has either ``path``, a file that this process can read, or ``content``, a file's bytes in base64,
    with its ``name``. With the parameter ``window_s`` above 0 (seconds) the answer has a row per window and arm in place
    of one per file and arm.
    """

    def load_context(self, context) -> None:
        from mfer_core.prediction import Predictor

        self.predictor = Predictor.load(context.artifacts["model"], "cpu")

    def predict(self, context, model_input: pd.DataFrame, params: dict | None = None) -> pd.DataFrame:
        from mfer_core.base.errors import MferError

        window_s, step_s = (
            float((params or {}).get(name, default)) for name, default in (("window_s", 0.0), ("step_s", 1.0))
        )
        try:
            tables = [self._row(row, window_s, step_s) for row in model_input.to_dict("records")]
        except MferError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error
        return pd.concat(tables, ignore_index=True)

    def _row(self, row: dict, window_s: float, step_s: float) -> pd.DataFrame:
        path, content, name = (
            value if isinstance(value := row.get(key), str) else None for key in ("path", "content", "name")
        )
        if bool(path) == bool(content):
            raise MlflowException(
                "give each row either path, or content (base64) and name", INVALID_PARAMETER_VALUE
            )
        if path:
            return self._table(path, window_s, step_s)
        with NamedTemporaryFile(suffix=Path(name or "").suffix) as file:
            try:
                file.write(b64decode(content, validate=True))
            except Error as error:
                raise MlflowException(
                    f"content of {name} is not base64: {error}", INVALID_PARAMETER_VALUE
                ) from error
            file.flush()
            return self._table(file.name, window_s, step_s).assign(path=name or "content")

    def _table(self, path: str, window_s: float, step_s: float) -> pd.DataFrame:
        return (
            self.predictor.examine(path, window_s, step_s).timeline
            if window_s > 0
            else self.predictor.predict([path])
        )


set_model(MferModel())
