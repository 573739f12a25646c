"""The command predict: media files in, tables, plots and pages out."""

import sys
from itertools import product
from pathlib import Path

import pandas as pd

from flows.pipeline import project_file
from mfer_core.base.errors import MferError
from mfer_core.base.paths import DataPaths
from mfer_core.base.settings import Settings, load_settings
from mfer_core.encoders.checkpoints import local_folder
from mfer_core.encoders.speaker import load_speaker_encoder
from mfer_core.prediction import Predictor
from mfer_core.prediction.batch import Batch
from mfer_core.prediction.hub_folder import is_hub_id, model_from_hub
from mfer_core.prediction.media_files import find_media
from mfer_core.prediction.neutral import PersonalNeutral, calm_shares
from mfer_core.prediction.predictor import PUBLISHED
from mfer_core.prediction.results_folder import ResultsFolder
from mfer_core.prediction.run import PredictionRun
from mfer_core.prediction.speakers import Voices
from mfer_core.prediction.windows import window_spans

# Exit status: every file was predicted, none was, some were rejected, Ctrl-C.
ALL, NONE, SOME, STOPPED = 0, 1, 2, 130
REGISTRY = "models:/"


def predict_media(
    paths: list[Path],
    model: str | None,
    window_s: float,
    step_s: float,
    out: Path | None,
    max_minutes: float | None = None,
    image_encoder: str | None = None,
    speech_encoder: str | None = None,
    voice_encoder: str | None = None,
    baseline: Path | None = None,
    baseline_first: float | None = None,
) -> tuple[PredictionRun, int]:
    """Predict every media file of ``paths``, into ``out`` where it is given; returns what was found and the
    exit status.

    Without ``model`` the trained model answers, where there is one, and else published heads. The encoders
    named here stand in for those of the settings.

    Raises MferError where nothing can start: everything that can be refused is refused before anything is
    computed.
    """
    window_spans(0.0, window_s, step_s)  # Raises before any file is opened if window and step are impossible.
    files = find_media(paths, out)
    if not (files.recordings or files.faults):
        raise MferError(f"no video or audio file in {', '.join(map(str, paths))}")
    if out:
        ResultsFolder(out).check_writable()
    named = {"image_encoder": image_encoder, "speech_encoder": speech_encoder}
    model = model or model_at_hand(any(named.values()))
    predictor = load_predictor(model, max_minutes, {name: value for name, value in named.items() if value})
    predictor.voices = voices_at_hand(voice_encoder)
    predictor.neutral = _neutral(predictor, baseline, baseline_first, window_s, step_s)
    run = Batch(predictor, model, window_s, step_s, out).run(files)
    if run.left:
        return run, STOPPED
    return run, (SOME if run.rejected else ALL) if run.done else NONE


def model_at_hand(encoders_named: bool) -> str:
    """What answers where no model is named; that a person did not choose it is said."""
    trained = DataPaths().model
    if trained.is_dir() and not encoders_named:
        return str(trained)
    if not encoders_named:
        print(f"no trained model in {trained}: published heads answer", file=sys.stderr)
    return PUBLISHED


def settings_at_hand() -> Settings:
    """The project's settings; outside of a project the default's."""
    here = Path("params.yaml")
    return load_settings(here if here.exists() else project_file("profiles") / "default.yaml")


def voices_at_hand(named: str | None) -> Voices | None:
    """What tells speakers apart: the encoder that a person named, or that of the settings, if it is here."""
    chosen = settings_at_hand().predict
    checkpoint = named or chosen.voice_encoder
    if named is None and local_folder(checkpoint) is None:
        return None
    locked = None if named else chosen.voice_hash
    return Voices(load_speaker_encoder(checkpoint, "auto", locked), chosen.voice_likeness)


def _neutral(
    predictor: Predictor, recording: Path | None, first_s: float | None, window_s: float, step_s: float
) -> PersonalNeutral | None:
    """A person's own neutral, from a calm recording or from the first seconds of each recording.

    Raises MferError for both at once, for a stretch shorter than a window and for a model without neutral.
    """
    if recording is not None and first_s is not None:
        raise MferError("a baseline is either a recording or the first seconds: give one of both options")
    if first_s is not None:
        if first_s < window_s:
            raise MferError(f"a baseline of {first_s:g} s: no window of {window_s:g} s ends within it")
        calm_shares(pd.DataFrame(columns=["arm", *predictor.classes]), predictor.classes)
        return PersonalNeutral(first_s=first_s)
    if recording is None:
        return None
    return PersonalNeutral(
        calm_shares(predictor.examine(recording, window_s, step_s).timeline, predictor.classes)
    )


def load_predictor(model: str, max_minutes: float | None, encoders: dict[str, str]) -> Predictor:
    """Raises MferError where encoders are named beside a model that has its own."""
    settings = settings_at_hand()
    chosen = settings.predict
    limit = chosen.max_minutes if max_minutes is None else max_minutes
    if model == PUBLISHED:
        # A revision and a hash in the settings belong to the encoder of the settings.
        fields = product((name.removesuffix("encoder") for name in encoders), ("revision", "hash"))
        unpinned = dict.fromkeys(map("".join, fields))
        chosen = chosen.model_copy(update={**encoders, **unpinned})
        classes = settings.labels.declared.classes
        return Predictor.load_published(
            chosen, settings.extract, max_minutes=limit, in_worker=True, classes=classes
        )
    if encoders:
        raise MferError(f"model {model} has its own encoders: name others only with --model {PUBLISHED}")
    return Predictor.load(model_folder(model), max_minutes=limit, in_worker=True)


def model_folder(model: str) -> Path:
    """A folder as it stands, that of a version in the MLflow registry (``models:/mfer@champion``,
    ``models:/mfer/3``), or that of a model on the hub (``OWNER/NAME``, ``OWNER/NAME@REVISION``).
    """
    if is_hub_id(model):
        return model_from_hub(model)
    if not model.startswith(REGISTRY):
        return Path(model)
    from tasks.tracking.registry import registered_folder

    return registered_folder(model, load_settings().tracking)
