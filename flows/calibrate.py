"""The command calibrate: temperatures of the published heads, fitted on a corpus of the project."""

from pathlib import Path

import pandas as pd

from flows.profiles import save_settings
from mfer_core.base.errors import MferError
from mfer_core.base.manifest import read_manifest
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings
from mfer_core.base.settings.reading import read_yaml
from mfer_core.encoders.labels_seen import NONE, published_labels
from mfer_core.evaluation.tables import ReportTable
from mfer_core.prediction import Predictor
from mfer_core.prediction.calibrate import Calibration, clip_logits, fit, heads_of

PARAMS = Path("params.yaml")
SETTINGS = {"visual": "image_temperature", "audio": "speech_temperature"}
ENCODERS = {"visual": "image_encoder", "audio": "speech_encoder"}


def calibrate_heads(corpus: str, clips: int, settings: Settings) -> tuple[ReportTable, list[str]]:
    """Fit both temperatures on at most ``clips`` recordings of ``corpus``, drawn by the settings' seed, and
    write them into params.yaml; returns the table and what must be said beside it.

    Raises MferError for a corpus that is not there, is not ingested, or holds too few known labels.
    """
    if corpus not in settings.corpora:
        raise MferError(f"no corpus {corpus} in {PARAMS}: choose one of {', '.join(settings.corpora)}")
    if settings.corpora[corpus].source == "demo":
        raise MferError(f"corpus {corpus} is synthetic: a temperature of drawn faces is of no use on people")
    manifest = read_manifest(DataPaths().manifest(corpus))
    classes = settings.labels.declared.classes
    predictor = Predictor.load_published(settings.predict, settings.extract, in_worker=True, classes=classes)
    manifest = manifest[manifest.label.isin(predictor.classes)]
    drawn = manifest.sample(min(clips, len(manifest)), random_state=settings.seed).sort_values("clip_id")
    folder = Path(settings.corpora[corpus].path)
    files = [folder / path for path in drawn.path]
    found, rejected = clip_logits(predictor, files, DataPaths().stage("calibrate"))
    drawn = drawn[[file in found for file in files]]
    logits = [found[folder / path] for path in drawn.path]
    fitted = fit(heads_of(predictor), logits, drawn.label.to_numpy(), drawn.speaker.to_numpy())
    _save(fitted)
    notes = [f"left out: {path}: {reason}" for path, reason in rejected.items()]
    return _table(fitted, corpus, drawn.speaker.nunique()), [*notes, *_seen(settings, corpus)]


def _save(fitted: list[Calibration]) -> None:
    values = read_yaml(PARAMS, keep_layout=True)
    section = values.setdefault("predict", {})
    for arm in fitted:
        if arm.temperature is not None:
            section[SETTINGS[arm.arm]] = round(arm.temperature, 3)
    save_settings(values, PARAMS)


def _table(fitted: list[Calibration], corpus: str, speakers: int) -> ReportTable:
    def change(index: int) -> list[str]:
        return [f"{arm.before[index]:.3f} -> {arm.after[index]:.3f}" for arm in fitted]

    columns = {
        "arm": [arm.arm for arm in fitted],
        "clips": [str(arm.clips) for arm in fitted],
        "temperature": [f"{arm.temperature:.3f}" if arm.temperature else "-" for arm in fitted],
        "log loss": change(0),
        "ECE": change(1),
    }
    return ReportTable(
        f"Published heads on {corpus}, {speakers} speakers: at temperature 1 -> at one of other speakers",
        pd.DataFrame(columns),
        "The temperatures are those of all clips together, and stand in params.yaml now (predict). Log loss "
        "in nats; the ECE is biased upwards.",
    )


def _seen(settings: Settings, corpus: str) -> list[str]:
    """Whether a head knows the labels that it was calibrated on, in lines."""
    lines = []
    for arm, name in ENCODERS.items():
        encoder = getattr(settings.predict, name)
        seen = published_labels(encoder, settings.corpora[corpus])
        if seen != NONE:
            lines.append(
                f"{arm}: labels of {corpus} seen in the training of {encoder}: {seen}; where they were, its "
                "temperature is too low for new people"
            )
    return lines
