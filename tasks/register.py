"""Tasks of stage register: the whole model in one folder, and its place in the MLflow registry."""

import shutil
from pathlib import Path

import pandas as pd
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from mfer_core.base.errors import MferError
from mfer_core.base.files import atomic_path, read_json, read_table, write_table
from mfer_core.base.manifest import read_manifest
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Register, Settings
from mfer_core.prediction.model_settings import ModelSettings
from tasks.artifacts import artifact_key
from tasks.tracking.champion import PREDICTIONS
from tasks.tracking.model_card import write_card
from tasks.tracking.registry import CARD, register_folder
from tasks.tracking.store import attempt, report_missed


def chosen_fold(data: DataPaths, settings: Register) -> Path:
    """The model, of any seed and fold, whose stored epoch was best on its inner validation split: test parts
    have no say. Of equal ones the first by name is taken.

    Raises MferError when there is none.
    """
    folders = data.trained_folds("train_fused", settings.protocol)
    if not folders:
        missing = f"no fused model under {settings.protocol} to register"
        raise MferError(f"{missing}: see register.protocol and arms in params.yaml")
    return max(folders, key=_validation_uar)


def _validation_uar(folder: Path) -> float:
    """The UAR on the fold's validation clips after the epoch that was chosen, whose model is stored."""
    history = pd.read_csv(folder / "history.csv").set_index("epoch")
    return float(history.valid_uar.loc[read_json(folder / "config.json")["best_epoch"]])


def why_nothing_to_register(settings: Settings) -> str | None:
    """The reason in the settings why no model that predicts media files can be registered."""
    if "fused" not in settings.arms:
        return f"the fused arm is not among arms: {', '.join(settings.arms)}"
    if brought := settings.corpora[settings.roles.benchmark].precomputed:
        features = ", ".join(f"{modality} from {path}" for modality, path in brought.items())
        return f"an arm reads precomputed features ({features}), and no media file holds them"
    if "speaker" in (settings.train_visual.normalisation, settings.pretrain_audio.normalisation):
        return "an arm standardises steps by speaker, and a recording comes without the speaker's other ones"
    return None


@task(cache_policy=NO_CACHE)
def nothing_to_register(data: DataPaths, reason: str) -> None:
    """Write the reason into the log and the stage's folder."""
    line = f"nothing to register: {reason}"
    get_run_logger().info(line)
    with atomic_path(data.stage("register") / "README.md") as temporary:
        temporary.write_text(f"{line}\n", encoding="utf-8")


@task(cache_policy=NO_CACHE)
def assemble_model(data: DataPaths, settings: Settings) -> Path:
    """Put encoders, fused model, extraction settings and card into data/register/model."""
    fold = chosen_fold(data, settings.register_model)
    if data.model.exists():
        shutil.rmtree(data.model)  # An earlier model's files are removed.
    parts = {"visual": data.encoder("visual"), "audio": data.encoder("audio"), "fused": fold}
    for name, source in parts.items():
        for file in filter(Path.is_file, sorted(source.rglob("*"))):
            if file.name.startswith("."):
                continue  # A training that was killed left this behind.
            with atomic_path(data.model / name / file.relative_to(source)) as temporary:
                shutil.copyfile(file, temporary)
    ModelSettings(extract=settings.extract, synthetic=settings.synthetic).write(data.model)
    write_table(data.model / PREDICTIONS, _test_predictions(data, settings))
    card = write_card(read_json(fold / "config.json"), read_json(data.metrics("evaluate")), settings)
    with atomic_path(data.model / CARD) as temporary:
        temporary.write_text(card, encoding="utf-8")
    return data.model


def _test_predictions(data: DataPaths, settings: Settings) -> pd.DataFrame:
    """The fused arm's predictions under the registered protocol, with the speakers: what a later model is
    tested against.
    """
    table = read_table(data.predictions("evaluate"))
    fused = table[(table.protocol == settings.register_model.protocol) & (table.arm == "fused")]
    manifest = read_manifest(data.manifest(settings.roles.benchmark)).set_index("clip_id")
    return fused.assign(speaker=fused.clip_id.map(manifest.speaker)).reset_index(drop=True)


@task(cache_policy=NO_CACHE)
def register_model(data: DataPaths, settings: Settings) -> None:
    """The card as an artifact of the run, and the folder in the registry, where that answers."""
    card = (data.model / CARD).read_text(encoding="utf-8")
    create_markdown_artifact(key=artifact_key("model", "card"), markdown=card)
    if result := attempt("the model", lambda: register_folder(data, settings), settings.tracking):
        get_run_logger().info(result)
    report_missed()
