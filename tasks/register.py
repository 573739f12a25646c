"""Tasks of stage register: the whole model in one folder, and its place in the MLflow registry."""

import shutil
from pathlib import Path

import pandas as pd
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from mfer_core.base.files import atomic_folder, atomic_path, read_json, read_table, write_table
from mfer_core.base.manifest import read_manifest
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.models.store import CONFIG
from mfer_core.prediction.model_settings import ModelSettings
from tasks.artifacts import artifact_key
from tasks.tracking.champion import PREDICTIONS
from tasks.tracking.fold_runs import log_finals
from tasks.tracking.model_card import write_card
from tasks.tracking.registry import CARD, register_folder
from tasks.tracking.store import attempt, report_missed


@task(cache_policy=NO_CACHE)
def assemble_model(data: DataPaths, settings: Settings) -> Path:
    """Put encoders, fused model, extraction settings and card into data/register/model.

    Raises MferError when stage train_final left no model.
    """
    model = data.final("train_fused")
    config = read_json(model / CONFIG)
    parts = {"visual": data.encoder("visual"), "audio": data.encoder("audio"), "fused": model}
    card = write_card(config, read_json(data.metrics("evaluate")), settings)
    with atomic_folder(data.model) as folder:
        for name, source in parts.items():
            for file in filter(Path.is_file, sorted(source.rglob("*"))):
                # What a killed training left behind, and encoders of the cross-corpus matrix alone.
                if file.name.startswith(".") or data.encoders_without in file.parents:
                    continue
                with atomic_path(folder / name / file.relative_to(source)) as temporary:
                    shutil.copyfile(file, temporary)
        heard = {"vad_min_clip_s": settings.vad_min_clip_s(settings.roles.benchmark)}
        extract = settings.extract.model_copy(update=heard)
        ModelSettings(extract=extract, synthetic=settings.synthetic).write(folder)
        write_table(folder / PREDICTIONS, _test_predictions(data, settings))
        with atomic_path(folder / CARD) as temporary:
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
    log_finals(data, settings)  # which MLflow missed, or DVC took from its cache
    if result := attempt("the model", lambda: register_folder(data, settings), settings.tracking):
        get_run_logger().info(result)
    report_missed()
