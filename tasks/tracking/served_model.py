"""The registered model as MLflow loads it: from this file and safetensors, never from a pickle."""

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

# Only the suffix of an upload's name is taken over, because a name may hold anything.
SUFFIX = re.compile(r"\.\w{1,10}")


class MferModel(PythonModel):
    """Media files in, a label and a probability per emotion out, for each arm.

    A row of the input has either ``path``, a file that this process can read, or ``content``, a file's bytes
    in base64, with its ``name``. With the parameter ``window_s`` above 0 (seconds) the answer has a row per
    window and arm in place of one per file and arm. A row that cannot be used is answered by its path or name
    and the ``reason``; when no row can be used, or there is none, the request is refused.
    """

    def load_context(self, context: PythonModelContext) -> None:
        from mfer_core.prediction import Predictor

        self.predictor = Predictor.load(context.artifacts["model"], "cpu", in_worker=True)

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict | None = None
    ) -> pd.DataFrame:
        from mfer_core.base.errors import MferError

        window_s, step_s = (params or {}).get("window_s", 0.0), (params or {}).get("step_s", 1.0)
        tables, rejects = [], []
        for row in model_input.to_dict("records"):
            texts = {key: value for key, value in row.items() if isinstance(value, str) and value}
            name = texts.get("path") or texts.get("name") or "content"
            try:
                with _media_file(texts) as path:
                    tables.append(self._table(path, window_s, step_s).assign(path=name))
            except (MferError, OSError, MemoryError) as error:
                reason = str(error) or "too large: there is not enough memory for it"
                rejects.append({"path": name, "reason": reason})
        if not tables:
            raise MlflowException.invalid_parameter_value(_refusal(rejects))
        answer = pd.concat(tables, ignore_index=True).assign(reason=None)
        if not rejects:
            return answer
        answer = pd.concat([answer.astype(object), pd.DataFrame(rejects, dtype=object)], ignore_index=True)
        return answer.where(answer.notna(), None)  # JSON has no NaN: what a rejected row lacks is null

    def _table(self, path: str, window_s: float, step_s: float) -> pd.DataFrame:
        if window_s > 0:
            return self.predictor.examine(path, window_s, step_s).timeline
        return self.predictor.predict([path])


@contextmanager
def _media_file(texts: dict[str, str]) -> Iterator[str]:
    """The path of the file that a row names, or of one with the bytes that it holds. Raises ClipError."""
    from mfer_core.base.errors import ClipError

    if ("path" in texts) == ("content" in texts):
        raise ClipError("give each row either path, or content (base64) and name")
    if "path" in texts:
        yield texts["path"]
        return
    suffix = Path(texts.get("name", "")).suffix
    with NamedTemporaryFile(suffix=suffix if SUFFIX.fullmatch(suffix) else "") as file:
        try:
            file.write(b64decode(texts["content"], validate=True))
        except Error as error:
            raise ClipError("content is not base64", str(error)) from error
        file.flush()
        yield file.name


def _refusal(rejects: list[dict[str, str]]) -> str:
    """Why a request has no answer at all."""
    if not rejects:
        return "no rows: send at least one, with path, or with content (base64) and name"
    first = f"{rejects[0]['path']}: {rejects[0]['reason']}"
    return first if len(rejects) == 1 else f"none of {len(rejects)} rows can be used; the first is {first}"


set_model(MferModel())
