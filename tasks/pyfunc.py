"""The registered model as MLflow loads it: from this file and safetensors, never from a pickle."""

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel


class MferModel(PythonModel):
    """Paths of media files in, a label and a probability per emotion out, for each arm."""

    def load_context(self, context) -> None:
        from mfer_core.prediction import Predictor

        self.predictor = Predictor.load(context.artifacts["model"], "cpu")

    def predict(self, context, model_input: pd.DataFrame, params: dict | None = None) -> pd.DataFrame:
        return self.predictor.predict(model_input["path"])


set_model(MferModel())
