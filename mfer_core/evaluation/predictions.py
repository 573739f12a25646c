"""One table of the predictions of all arms and baselines on the benchmark, and the encoders behind each
arm.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from mfer_core.base.files import read_json, read_table
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.cache.embeddings import open_embeddings
from mfer_core.evaluation.arms import BASELINE, LATE, OF_SPEAKER, PROBES, SVM, normalised_arms
from mfer_core.evaluation.baseline import baseline_features, baseline_predictions, by_speaker
from mfer_core.evaluation.late import late_predictions
from mfer_core.evaluation.probe import probe_predictions
from mfer_core.evaluation.zero_shot import HEADS, zero_shot_predictions
from mfer_core.protocol.predictions import predictions_schema

ARM_STAGES = {"visual": "train_visual", "audio": "train_audio", "fused": "train_fused"}


def all_predictions(
    data: Path,
    settings: Settings,
    manifest: pd.DataFrame,
    folds: pd.DataFrame,
    classes: tuple[str, ...],
    baseline: dict[str, np.ndarray],
) -> pd.DataFrame:
    """Arms, late fusion, probes, SVM and the encoders' own heads under all folds, in that order.

    ``manifest``: the benchmark's, labelled by its ``classes``. ``baseline``: the SVM's features by clip_id;
    none leaves it out.
    """
    arms = {
        arm: read_table(DataPaths(data).predictions(stage))
        for arm, stage in ARM_STAGES.items()
        if arm in settings.arms
    }
    tables = list(arms.values())
    if "visual" in arms and "audio" in arms:
        tables.append(late_predictions(arms["visual"], arms["audio"], classes))
    tables += probe_predictions(data, settings, manifest, folds, classes)
    if baseline:
        tables.append(baseline_predictions(baseline, manifest, folds, classes))
        if normalised_arms(settings):
            moved = by_speaker(baseline, manifest)
            tables.append(baseline_predictions(moved, manifest, folds, classes, BASELINE + OF_SPEAKER))
    tables.append(zero_shot_predictions(data, settings.roles.benchmark, manifest, folds, classes))
    table = pd.concat([table for table in tables if len(table)], ignore_index=True)
    return table[predictions_schema(classes).names]


def svm_features(data: Path, settings: Settings, manifest: pd.DataFrame) -> dict[str, np.ndarray]:
    """clip_id -> the SVM's features of the benchmark; none where the settings leave the baseline out."""
    if not settings.evaluate.baseline:
        return {}
    extracted = DataPaths(data).extract(settings.roles.benchmark)
    return baseline_features(extracted, set(manifest.clip_id))


def encoder_names(data: Path, settings: Settings) -> dict[str, str]:
    """arm -> the encoders behind it with their hashes, as the folds' models or the embeddings name them."""
    names = dict.fromkeys(SVM, "none")
    for arm in settings.arms:
        encoders: set[str] = set()
        for folder in DataPaths(data).trained_folds(ARM_STAGES[arm]):
            for encoder in read_json(folder / "config.json")["encoders"].values():
                tuned = ", fine-tuned in each fold" if "finetuned" in encoder else ""
                encoders.add(f"{_with_hash(encoder)}{tuned}")
        names[arm] = ", ".join(sorted(encoders))
    cached = {
        modality: _with_hash(
            open_embeddings(DataPaths(data).embeddings(modality, settings.roles.benchmark)).metadata
        )
        for modality in HEADS
        if modality in settings.arms
    }
    for probe, modalities in PROBES.items():
        used = dict.fromkeys(cached[modality] for modality in modalities if modality in cached)
        names[probe] = names[probe + OF_SPEAKER] = ", ".join(used)
    late = dict.fromkeys(names[arm] for arm in ("audio", "visual") if arm in names)
    return names | dict.fromkeys(LATE, ", ".join(late))


def _with_hash(encoder: dict) -> str:
    """An encoder's name and the hash of its weights and configuration, as far as its metadata have them."""
    version = f" ({encoder['hash']})" if "hash" in encoder else ""
    return f"{encoder.get('name')}{version}"


def histories(data: Path, protocol: str, settings: Settings) -> dict[str, pd.DataFrame]:
    """arm -> the training history of all its fold models, with the columns seed and fold."""
    rows: dict[str, pd.DataFrame] = {}
    for arm in settings.arms:
        tables = []
        for folder in DataPaths(data).trained_folds(ARM_STAGES[arm], protocol):
            config = read_json(folder / "config.json")
            table = pd.read_csv(folder / "history.csv")
            tables.append(table.assign(seed=config["seed"], fold=config["fold"]))
        rows[arm] = pd.concat(tables)
    return rows


def chosen_epochs(data: Path, settings: Settings, protocols: list[str]) -> str:
    """A sentence: the lowest, median and highest epoch chosen over folds and seeds, by protocol and arm."""
    said = []
    for name in protocols:
        ranges = []
        for arm in settings.arms:
            folders = DataPaths(data).trained_folds(ARM_STAGES[arm], name)
            epochs = [read_json(folder / "config.json")["best_epoch"] for folder in folders]
            ranges.append(f"{arm} {min(epochs)}, {np.median(epochs):g}, {max(epochs)}")
        said.append(f"{name}: {'; '.join(ranges)}")
    return f"Epochs chosen (lowest, median, highest over folds and seeds): {'. '.join(said)}."


def inner_validation(data: Path, settings: Settings, protocols: list[str]) -> dict:
    """protocol -> arm -> accuracy and UAR on the inner validation split at the chosen epoch, mean over folds
    and seeds.

    What settings may be tried on: no test clip has a say. A protocol that validates on its test fold is not
    in it.
    """
    result: dict = {}
    for name in protocols:
        for arm in settings.arms:
            chosen = []
            for folder in DataPaths(data).trained_folds(ARM_STAGES[arm], name):
                history = pd.read_csv(folder / "history.csv").set_index("epoch")
                chosen.append(history.loc[read_json(folder / "config.json")["best_epoch"]])
            means = pd.DataFrame(chosen)[["valid_accuracy", "valid_uar"]].mean()
            result.setdefault(name, {})[arm] = {key: float(value) for key, value in means.items()}
    return result
