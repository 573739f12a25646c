"""What can go from MLflow: runs that were deleted or cut off, and versions that nothing uses or marks."""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.entities.model_registry import ModelVersion

from mfer_core.base.errors import MferError, one_line
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from tasks.cleaning import Removable, size
from tasks.tracking.registry import content_key
from tasks.tracking.store import KEY_TAG, SQLITE, client, tracking_uri


def removables_in_mlflow(data: DataPaths, settings: Settings) -> Iterator[Removable]:
    """Runs and versions that can go from the project's own store; a server's are its keeper's.

    Removing them only marks them: ``collect`` then frees their files.
    """
    if not tracking_uri(settings.tracking).startswith(SQLITE):
        return
    store = client(settings.tracking)
    for experiment in store.search_experiments(view_type=ViewType.ALL):
        yield from _runs(store, experiment.experiment_id, experiment.name)
    for version in unused_versions(store, data, settings):
        yield _version(store, version)


def _runs(store: MlflowClient, experiment: str, name: str) -> Iterator[Removable]:
    """Runs that a person deleted, and those that stand as running although nothing runs here any more."""
    deleted = store.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)
    cut_off = store.search_runs([experiment], "attributes.status = 'RUNNING'")
    for why, runs in (("deleted", deleted), ("cut off", cut_off)):
        for run in runs:
            what = f"MLflow's run {run.info.run_name!r} of {name}: {why}"
            # What is deleted already is deleted once more, which changes nothing.
            remove = partial(store.delete_run, run.info.run_id)
            yield Removable(what, _size(run.info.artifact_uri), remove)


def unused_versions(store: MlflowClient, data: DataPaths, settings: Settings) -> list[ModelVersion]:
    """The versions of the registered model without an alias that are not the one in data/register."""
    name = settings.register_model.name
    if not store.search_registered_models(f"name='{name}'"):
        return []
    marked = {str(version) for version in store.get_registered_model(name).aliases.values()}
    present = content_key(data.model) if data.model.exists() else None
    return [
        version
        for version in store.search_model_versions(f"name='{name}'")
        if str(version.version) not in marked and version.tags.get(KEY_TAG) != present
    ]


def _version(store: MlflowClient, version: ModelVersion) -> Removable:
    model = version.model_id

    def remove() -> None:
        store.delete_model_version(version.name, version.version)
        if model:
            store.delete_logged_model(model)

    location = store.get_logged_model(model).artifact_location if model else version.source
    what = f"version {version.version} of {version.name}: no alias, and not the model in data/register"
    return Removable(what, _size(location), remove)


def _size(uri: str | None) -> int:
    """The bytes of artifacts on this machine; 0 for those elsewhere."""
    parts = urlsplit(uri or "")
    path = Path(unquote(parts.path) if parts.scheme == "file" else uri or "nowhere")
    return size(path) if path.exists() else 0


def collect(settings: Settings) -> None:
    """Free the files of all that is deleted in MLflow. Raises MferError where MLflow cannot."""
    command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", tracking_uri(settings.tracking)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise MferError(f"`mlflow gc` failed: {one_line((ended.stderr.strip().splitlines() or ['?'])[-1])}")
