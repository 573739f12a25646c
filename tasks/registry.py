"""Tasks of stage register: the whole model in one folder, and its place in the MLflow registry."""

import os
import shutil
from pathlib import Path

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from mfer_core.base.errors import MferError
from mfer_core.base.files import atomic_path, digest, read_json, sha256_file
from mfer_core.base.settings import Register, Settings
from mfer_core.prediction.predictor import ModelSettings
from mfer_core.training.results import fold_folder
from tasks import pyfunc
from tasks.champion import CHAMPION, beats, standing
from tasks.lineage import lineage
from tasks.model_card import write_card
from tasks.signature import input_example, model_signature
from tasks.tracking import client, experiment

KEY_TAG = "mfer.key"


def chosen_fold(data: Path, settings: Register) -> Path:
    """The fold whose inner validation split was best: test parts have no say. Raises MferError when there is none."""
    folders = sorted(fold_folder(data, "train_fused", settings.protocol, 0).parent.glob("fold-*"))
    if not folders:
        raise MferError(
            f"no fused model under {settings.protocol} to register: see register.protocol and arms in params.yaml"
        )
    return max(folders, key=lambda folder: pd.read_csv(folder / "history.csv").valid_uar.max())


def why_nothing_to_register(settings: Settings) -> str | None:
    """What in the settings stands against a model that predicts media files."""
    if settings.register_model.arm not in settings.arms:
        return f"the arm {settings.register_model.arm} is not among arms: {', '.join(settings.arms)}"
    if brought := settings.corpora[settings.roles.benchmark].precomputed:
        features = ", ".join(f"{modality} from {path}" for modality, path in brought.items())
        return f"an arm reads precomputed features ({features}), which no media file holds, so nothing could be predicted from one"
    if "speaker" in (settings.train_visual.normalisation, settings.pretrain_audio.normalisation):
        return "an arm takes steps standardised by speaker, and a recording that someone brings comes without the speaker's other ones"
    return None


@task(cache_policy=NO_CACHE)
def nothing_to_register(data: Path, reason: str) -> None:
    """Say so, in the log and in the stage's folder."""
    line = f"nothing to register: {reason}"
    get_run_logger().info(line)
    with atomic_path(data / "register" / "README.md") as temporary:
        temporary.write_text(f"{line}\n", encoding="utf-8")


@task(cache_policy=NO_CACHE)
def assemble_model(data: Path, settings: Settings) -> Path:
    """Put encoders, fused model, extraction settings and card into data/register/model."""
    folder = data / "register" / "model"
    fold = chosen_fold(data, settings.register_model)
    shutil.copytree(data / "pretrain_vit", folder / "visual", dirs_exist_ok=True)
    shutil.copytree(data / "pretrain_emotion2vec", folder / "audio", dirs_exist_ok=True)
    shutil.copytree(fold, folder / "fused", dirs_exist_ok=True)
    ModelSettings(extract=settings.extract, synthetic=settings.synthetic).write(folder)
    card = write_card(
        read_json(fold / "config.json"), read_json(data / "evaluate" / "metrics.json"), settings
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    return folder


@task(cache_policy=NO_CACHE)
def register_model(folder: Path, settings: Settings) -> None:
    """The card as an artifact of the run, and the folder in the registry."""
    create_markdown_artifact(key="model-card", markdown=(folder / "README.md").read_text(encoding="utf-8"))
    get_run_logger().info(register_folder(folder, settings))


def register_folder(folder: Path, settings: Settings) -> str:
    """Make the folder a version of the registered model, once per content, and the champion where it beats that one.

    Returns what became of it, in words; a registry that does not answer is no error: the folder stays.
    """
    try:
        return _register(folder, settings)
    except MlflowException as error:
        return f"MLflow did not take the model ({str(error).splitlines()[0]}); `python -m flows track` registers it later"


def _register(folder: Path, settings: Settings) -> str:
    name, store = settings.register_model.name, client(settings.tracking)
    key = digest(
        [
            [str(path.relative_to(folder)), sha256_file(path)]
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ]
    )
    if versions := [v for v in store.search_model_versions(f"name='{name}'") if v.tags.get(KEY_TAG) == key]:
        return f"{name} version {versions[0].version} is this model already"
    version = _log_model(folder, key, store, settings)
    return f"registered {name} version {version}, {_crown(store, name, version)}"


def _log_model(folder: Path, key: str, store: MlflowClient, settings: Settings) -> str:
    """Log the pyfunc (code and safetensors, no pickle) and make it a version of the registered model."""
    chosen = settings.register_model
    mlflow.set_tracking_uri(store.tracking_uri)
    score = read_json(folder.parents[1] / "evaluate" / "metrics.json")[chosen.protocol][chosen.arm][
        "accuracy"
    ]["mean"]
    os.environ["MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING"] = "false"
    with mlflow.start_run(
        experiment_id=experiment("register", settings.tracking),
        run_name=f"{chosen.name} {key}",
        tags=lineage(settings),
    ):
        logged = mlflow.pyfunc.log_model(
            name=chosen.name,
            python_model=pyfunc.__file__,
            artifacts={"model": str(folder)},
            code_paths=["mfer_core"],
            signature=model_signature(),
            input_example=input_example(),
            pip_requirements=["-r requirements.lock"],
            metadata={"protocol": chosen.protocol, "synthetic": settings.synthetic},
        )
        mlflow.log_metric("accuracy", score)
    tags = standing(chosen.protocol, settings.roles.benchmark, settings.synthetic, score)
    version = mlflow.register_model(logged.model_uri, chosen.name, tags={KEY_TAG: key, **tags})
    store.update_model_version(
        chosen.name, version.version, (folder / "README.md").read_text(encoding="utf-8")
    )
    return version.version


def _crown(store: MlflowClient, name: str, version: str) -> str:
    """Move the alias to ``version`` where it beats its bearer; returns what became of it, in words."""
    try:
        champion = store.get_model_version_by_alias(name, CHAMPION).tags
    except MlflowException:  # no such alias yet
        champion = None
    crowned, reason = beats(store.get_model_version(name, version).tags, champion)
    if crowned:
        store.set_registered_model_alias(name, CHAMPION, version)
    return f"{'now' if crowned else 'not'} the {CHAMPION}: {reason}"
