"""Registered models, fetched from the MLflow registry."""

from pathlib import Path

from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from mfer_core.base.errors import MferError
from mfer_core.base.settings import Tracking
from tasks.tracking import client


def registered_folder(uri: str, tracking: Tracking) -> Path:
    """The model's folder, as stage register assembled it, of a version named ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``.

    Raises MferError when the registry does not answer or has no such model.
    """
    try:
        where = client(tracking).tracking_uri
        local = Path(download_artifacts(artifact_uri=uri, tracking_uri=where, registry_uri=where))
        return local / Model.load(local).flavors["python_function"]["artifacts"]["model"]["path"]
    except (MlflowException, KeyError) as error:
        raise MferError(f"no model {uri} in the MLflow registry: {str(error).splitlines()[0]}") from error
