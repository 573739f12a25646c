"""The MLflow registry: a folder becomes a version, the best version the champion, a version a folder."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from ruamel.yaml import YAML

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest, read_json, sha256_file
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings, Tracking
from mfer_core.cache.code import ROOT
from mfer_core.prediction.notice import NOTICE
from tasks.tracking.champion import CHAMPION, beats, paired_test, standing
from tasks.tracking.lineage import lineage
from tasks.tracking.signature import input_example, model_signature
from tasks.tracking.store import KEY_TAG, client, experiment, first_line

SERVED = Path(__file__).with_name("served_model.py")
CARD = "README.md"
DECIDED_TAG = "mfer.champion"  # The tag of a version that is whole: whether it became the champion, and why.


def register_folder(data: DataPaths, settings: Settings) -> str:
    """Make the model's folder a version, once per content, and the champion where it beats that one.

    A version that a killed run made is not made again: what it lacks is done. Returns what became of it, in
    words. Raises MlflowException when the registry does not take it.
    """
    name, store = settings.register_model.name, client(settings.tracking)
    experiment("register", settings.tracking)  # What a killed registration left there is removed.
    key = content_key(data.model)
    versions = store.search_model_versions(f"name='{name}'")
    known = next((version for version in versions if version.tags.get(KEY_TAG) == key), None)
    if known and DECIDED_TAG in known.tags:
        return f"{name} version {known.version} is this model already"
    aliases = store.get_registered_model(name).aliases if versions else {}
    present = aliases.get(CHAMPION)
    if known and str(present) == str(known.version):
        present = None
    # Before a version is made: the champion's files may be gone.
    champion, paired = _champion(data.model, present, store, settings) if present else (None, None)
    new = known.version if known else _new_version(data, key, store, settings)
    store.update_model_version(name, new, (data.model / CARD).read_text(encoding="utf-8"))
    promoted, reason = beats(store.get_model_version(name, new).tags, champion, paired)
    if promoted:
        store.set_registered_model_alias(name, CHAMPION, new)
    outcome = f"{'now' if promoted else 'not'} the {CHAMPION}: {reason}"
    store.set_model_version_tag(name, new, DECIDED_TAG, outcome)
    return f"registered {name} version {new}, {outcome}"


def registered_folder(uri: str, tracking: Tracking) -> Path:
    """The model's folder of a version named ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``.

    Raises MferError when the registry does not answer or has no such model.
    """
    try:
        store = client(tracking).tracking_uri
        version = Path(download_artifacts(artifact_uri=uri, tracking_uri=store, registry_uri=store))
        # MLflow's own reader takes the path for percent-encoded.
        flavors = YAML(typ="safe").load(version / "MLmodel")["flavors"]
        return version / flavors["python_function"]["artifacts"]["model"]["path"]
    except (MlflowException, OSError, KeyError) as error:
        raise MferError(f"no model {uri} in the MLflow registry: {first_line(error)}") from error


def altered_versions(settings: Settings) -> list[str]:
    """The versions of the registered model whose files are not, or no more, those that were registered."""
    name, store = settings.register_model.name, client(settings.tracking)
    return [
        version.version
        for version in store.search_model_versions(f"name='{name}'")
        if KEY_TAG in version.tags
        and not _is_intact(f"models:/{name}/{version.version}", version.tags, settings)
    ]


def _is_intact(uri: str, tags: dict[str, str], settings: Settings) -> bool:
    try:
        return content_key(registered_folder(uri, settings.tracking)) == tags[KEY_TAG]
    except MferError:
        return False


def content_key(folder: Path) -> str:
    """The digest of all files of a model's folder, which its version bears as a tag."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return digest([[str(path.relative_to(folder)), sha256_file(path)] for path in files])


@contextmanager
def _leaving_no_compiled_files() -> Iterator[None]:
    """MLflow tries a model by importing its code in the folder that it then keeps."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _new_version(data: DataPaths, key: str, store: MlflowClient, settings: Settings) -> str:
    """Log the model as code and safetensors, without a pickle, as a version of the registered model."""
    chosen, folder = settings.register_model, data.model
    score = read_json(data.metrics("evaluate"))[chosen.protocol]["fused"]["accuracy"]["mean"]
    os.environ["MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING"] = "false"
    experiment_id = experiment("register", settings.tracking)
    for run in store.search_runs([experiment_id], f"tags.`{KEY_TAG}` = '{key}'"):
        store.delete_run(run.info.run_id)  # It was killed before its model was a version.
    with (
        _leaving_no_compiled_files(),
        mlflow.start_run(
            experiment_id=experiment_id,
            run_name=f"{chosen.name} {key}",
            tags={KEY_TAG: key, **lineage(settings)},
        ),
    ):
        logged = mlflow.pyfunc.log_model(
            name=chosen.name,
            python_model=str(SERVED),
            artifacts={"model": str(folder)},
            code_paths=[str(ROOT / "mfer_core")],
            signature=model_signature(read_json(folder / "fused" / "config.json")["labels"]),
            input_example=input_example(),
            pip_requirements=["-r requirements.lock"],
            metadata={"protocol": chosen.protocol, "synthetic": settings.synthetic, "notice": NOTICE},
        )
        mlflow.log_metric("accuracy", score)
    tags = standing(chosen.protocol, settings.roles.benchmark, settings.synthetic, score)
    return mlflow.register_model(logged.model_uri, chosen.name, tags={KEY_TAG: key, **tags}).version


def _champion(
    folder: Path, version: str, store: MlflowClient, settings: Settings
) -> tuple[dict[str, str], dict | None]:
    """The tags of the present champion, which is ``version``, and its paired test against ``folder``.

    Raises MferError when the champion's files are gone.
    """
    name = settings.register_model.name
    present = registered_folder(f"models:/{name}@{CHAMPION}", settings.tracking)
    return store.get_model_version(name, version).tags, paired_test(folder, present, settings)
