"""From a media file to emotions: the trained system in one folder, without Prefect, DVC or MLflow.

A folder holds ``fused/`` (model.safetensors, config.json), ``visual/`` and ``audio/`` (the encoders'
checkpoints, or ``published.json`` naming them) and ``settings.json`` (how media are extracted, whether the
corpora were synthetic).
"""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

from mfer_core.base.errors import ClipError, MferError, typed_line
from mfer_core.base.files import digest, sha256_file
from mfer_core.base.folders import readable
from mfer_core.base.labels import EIGHT
from mfer_core.base.memory import give_back
from mfer_core.base.scratch import ScratchFolder
from mfer_core.base.settings import Extract, Predict
from mfer_core.base.workers import GRACE_S, shared_workers
from mfer_core.cache.embeddings import PRECOMPUTED
from mfer_core.encoders.checkpoint_pointer import source_of
from mfer_core.encoders.contract import Encoder, FaceEncoder, SpeechEncoder
from mfer_core.encoders.cores import threads_for, twins
from mfer_core.encoders.faces import load_faces
from mfer_core.encoders.speech import load_speech
from mfer_core.media.inspect import COLUMNS
from mfer_core.media.parts import RecordingParts, extract_parts
from mfer_core.media.read import decode_image, keep_speech
from mfer_core.media.result import ExtractedClip
from mfer_core.models.finetuned import put_blocks, refuse_another
from mfer_core.models.fusion import Fused
from mfer_core.models.store import CONFIG, WEIGHTS, load_kind
from mfer_core.prediction.classifiers import Classifier, Decision, TrainedArms
from mfer_core.prediction.model_settings import ModelSettings
from mfer_core.prediction.neutral import PersonalNeutral
from mfer_core.prediction.people import PersonSteps, find_everyone, window_parts
from mfer_core.prediction.pictures import embed_pictures
from mfer_core.prediction.published import PublishedHeads, about, load_heads
from mfer_core.prediction.results_folder import PersonResult, Turn
from mfer_core.prediction.run import HeadSource
from mfer_core.prediction.speakers import Voices
from mfer_core.prediction.window_sound import BATCH_GIB, embed_speech, window_sounds
from mfer_core.prediction.windows import (
    STEP_S,
    WINDOW_S,
    Part,
    RecordingEmbeddings,
    Span,
    Steps,
    StepsFile,
    window_spans,
)

PUBLISHED = "published"  # The name of the published heads where a model is named.
log = logging.getLogger("mfer")
SHOWN_FRAMES = COLUMNS
WORKER = "mfer_core.media.parts"  # The module that a worker process has loaded.


@dataclass(frozen=True)
class Prediction:
    """The prediction of one recording. Both tables: path, start_s, end_s, arm, label, and a probability per
    class name.

    A row for an arm stands only where the recording has its modality; the fused row where it has either.
    """

    path: str
    # Some frames, the sound (of a long recording only its outline) and the facts, for drawing.
    clip: ExtractedClip
    table: pd.DataFrame  # the whole recording, a row per arm
    timeline: pd.DataFrame  # a row per window and arm; a recording no longer than a window has one window
    step_s: float  # between two windows
    people: list[PersonResult]  # everyone seen or heard, where there are several
    turns: list[Turn]  # who speaks when


def _refuse_precomputed(folder: Path, config: dict) -> None:
    for modality, encoder in config.get("encoders", {}).items():
        if encoder.get("kind") == PRECOMPUTED:
            raise MferError(
                f"the model in {folder} cannot predict media files: its {modality} arm was trained on "
                f"{encoder['name']}, which a person computed elsewhere; train that arm with an encoder of "
                "the pipeline"
            )


@dataclass
class Predictor:
    """Both encoders and what decides on their embeddings, ready for files."""

    visual: FaceEncoder
    audio: SpeechEncoder
    classifier: Classifier
    settings: ModelSettings
    in_worker: bool  # whether recordings are opened in a worker process
    # A hash of everything that shapes the figures: two models with one identity are the same model.
    identity: str
    sources: tuple[HeadSource, ...] = ()  # where published heads come from; none of a trained model
    voices: Voices | None = None  # what tells speakers apart; without it all speech is one speaker's
    neutral: PersonalNeutral | None = None  # a calm stretch beside which figures are given

    def __post_init__(self) -> None:
        """No product is shared among threads: a recording's figures do not depend on the number of cores."""
        torch.set_num_threads(1)

    @classmethod
    def load(
        cls,
        folder: Path | str,
        device: str = "auto",
        max_minutes: float | None = None,
        in_worker: bool = False,
    ) -> "Predictor":
        """``max_minutes`` is the longest recording that is looked at, in place of the model's own limit.

        ``in_worker`` opens recordings in a worker process, where one that hangs, crashes or eats memory
        ends nothing else; a script then needs ``if __name__ == "__main__":``, as always with processes of
        Python's.

        Raises MferError naming the file that is missing or broken, or the features that no media file holds.
        """
        folder = Path(folder)
        settings = ModelSettings.read(folder)
        if max_minutes is not None:
            settings = settings.allowing(max_minutes)
        model, config, blocks = load_kind(Fused, folder / "fused")
        _refuse_precomputed(folder, config)
        if any(arm.config.normalisation == "speaker" for arm in (model.visual, model.audio)):
            raise MferError(
                f"{folder} takes steps standardised by speaker: it cannot judge a recording without the "
                "speaker's other ones"
            )
        visual = load_faces(source_of(folder / "visual"), device, "fp32")
        audio = load_speech(source_of(folder / "audio"), device, "fp32")
        encoders: dict[str, Encoder] = {"visual": visual, "audio": audio}
        for modality, trained_on in config.get("encoders", {}).items():
            refuse_another(encoders[modality], trained_on)
        for modality, weights_of in blocks.items():
            put_blocks(encoders[modality], weights_of, config["encoders"][modality])
        parts = [visual.metadata, audio.metadata, settings.shaping()]
        weights = [sha256_file(folder / "fused" / name) for name in (CONFIG, WEIGHTS)]
        return cls(visual, audio, TrainedArms(model), settings, in_worker, digest(parts, weights))

    @classmethod
    def load_published(
        cls,
        chosen: Predict,
        extract: Extract,
        device: str = "auto",
        max_minutes: float | None = None,
        in_worker: bool = False,
        classes: tuple[str, ...] = EIGHT,
    ) -> "Predictor":
        """Published encoders with the heads that they bring along, in place of trained arms. They answer in
        those of ``classes`` that both know.

        Raises MferError as ``published.load_heads`` does.
        """
        settings = ModelSettings(extract=extract, synthetic=False)
        if max_minutes is not None:
            settings = settings.allowing(max_minutes)
        visual, audio, heads, sources = load_heads(chosen, device, classes)
        shaping = (settings.shaping(), heads.temperatures, heads.classes)
        identity = digest(PUBLISHED, visual.metadata, audio.metadata, *shaping)
        return cls(visual, audio, heads, settings, in_worker, identity, sources)

    @property
    def about(self) -> list[str]:
        """Lines that must stand beside the figures of published heads; none for a trained model."""
        return about(self.sources, self.classifier) if isinstance(self.classifier, PublishedHeads) else []

    @property
    def warning(self) -> str | None:
        """A warning that must stand beside the model's figures; None for a model of real recordings."""
        said = "trained on synthetic demonstration corpora: of no use on people"
        return said if self.settings.synthetic else None

    @property
    def classes(self) -> tuple[str, ...]:
        return self.classifier.classes

    def predict(self, paths: Iterable[Path | str]) -> pd.DataFrame:
        """One row per file and arm (see ``Prediction``). Raises ClipError for a file that cannot be used."""
        return pd.concat([self.examine(path).table for path in paths], ignore_index=True)

    def examine(self, path: Path | str, window_s: float = WINDOW_S, step_s: float = STEP_S) -> Prediction:
        """One recording as a whole, and over windows of ``window_s`` seconds that start every ``step_s``
        seconds.

        Each window is judged as a clip of its length. Memory does not grow with the recording's length: what
        is long lies on disk meanwhile. Raises ClipError for a file that cannot be used.
        """
        with self.folder() as folder:
            parts = self.extract(Path(path), Path(folder))
            return self.judge(readable(path), parts, window_s, step_s)

    def judge(self, name: str, parts: RecordingParts, window_s: float, step_s: float) -> Prediction:
        """``examine`` of a recording that is extracted already; ``name`` is its path as it can be shown."""
        embedded = self.embed(parts)
        spans = window_spans(embedded.duration_s, window_s, step_s)
        people, turns = find_everyone(self, parts, embedded, spans, step_s)
        everyone = [PersonSteps(embedded, range(len(spans))), *(one.steps for one in people)]
        sounds = window_sounds(self._audios, self.settings.extract, parts, embedded, spans)
        (whole, windows), *tables = self.tables(name, everyone, spans, sounds)
        results = [one.result(*both) for one, both in zip(people, tables, strict=True) if len(both[0])]
        clip = ExtractedClip(parts.some_frames(SHOWN_FRAMES), parts.outline(), parts.facts)
        return Prediction(name, clip, whole, windows, step_s, results, turns)

    def tables(
        self, path: str, everyone: Sequence[PersonSteps], spans: list[Span], sounds: Iterable[Steps]
    ) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
        """The tables of a ``Prediction`` for each person: of all of their steps, and of those in each of
        their windows. ``sounds`` are the steps of each span's sound, which are gone through once.
        """
        rows: list[list[dict]] = [[] for _ in everyone]
        judged: list[tuple[int, Span]] = []
        for number, decision in enumerate(self.decide(window_parts(everyone, spans, sounds, judged))):
            person, span = judged[number]
            rows[person] += self._rows(path, span, decision)
        tables = []
        for one, windows in zip(everyone, map(pd.DataFrame, rows), strict=True):
            span = (0.0, one.embedded.duration_s)
            whole = pd.DataFrame(self._rows(path, span, self.classifier.decide_whole(one.embedded)))
            both = whole, windows
            tables.append(self.neutral.adjust(*both, self.classes) if self.neutral else both)
        return tables

    def folder(self) -> TemporaryDirectory[str]:
        """A folder for ``extract``, where its process may write; gone when it is left."""
        if not self.in_worker:
            return ScratchFolder()
        return TemporaryDirectory(dir=shared_workers(1, WORKER).folder)

    def extract(self, path: Path, folder: Path) -> RecordingParts:
        """A recording's faces and sound, in parts that lie in ``folder`` (see there). Raises ClipError."""
        # An absolute path: FFmpeg takes a relative one with a colon for a protocol.
        threads = os.cpu_count() or 1
        arguments = (path.absolute(), self.settings.extract, threads, folder)
        if not self.in_worker:
            return RecordingParts(folder, extract_parts(*arguments))
        limit_s = self.settings.extract.clip_time_limit_s + GRACE_S
        pool = shared_workers(1, WORKER)
        try:
            return RecordingParts(folder, pool.call(extract_parts, *arguments, limit_s=limit_s))
        except MferError:
            raise
        except Exception as error:
            # What comes out of a decoder's process is the doing of a file from anywhere; it is logged whole.
            log.exception("%s: extraction failed", readable(path))
            raise ClipError("unreadable", typed_line(error)) from error

    def embed(self, parts: RecordingParts) -> RecordingEmbeddings:
        """Both encoders over all parts. The values lie in the parts' folder."""
        with (
            StepsFile(parts.folder / "visual.f32", self.visual.dim) as visual,
            StepsFile(parts.folder / "audio.f32", self.audio.dim) as audio,
        ):
            for values, times in embed_pictures(self._visuals, parts.pictures()):
                visual.add(values, times)
            give_back()
            for sound in parts.sounds():
                # Of a recording with speech anywhere, a part without is not heard, as in one piece.
                if sound["speech"] or not parts.facts["speech_s"]:
                    speech = keep_speech("", "", sound, self.settings.extract.vad_min_clip_s)
                    audio.add(*embed_speech(self.audio, [speech])[0])
                give_back()
        return RecordingEmbeddings(*visual.steps(), *audio.steps(), parts.facts["duration_s"])

    @cached_property
    def _visuals(self) -> list[FaceEncoder]:
        return twins(self.visual, threads_for(self.visual.device))

    @cached_property
    def _audios(self) -> list[SpeechEncoder]:
        return twins(self.audio, threads_for(self.audio.device))

    def embed_images(self, images: Iterable[bytes]) -> np.ndarray:
        """Embeddings [N, D] of encoded face crops."""
        return self.visual.embed([decode_image(image) for image in images], BATCH_GIB)

    def _rows(self, path: str, span: Span, decision: Decision) -> list[dict]:
        row = {"path": path, "start_s": span[0], "end_s": span[1]}
        labels = {arm: self.classes[int(values.argmax())] for arm, values in decision.items()}
        return [
            row | {"arm": arm, "label": labels[arm]} | dict(zip(self.classes, values.tolist(), strict=True))
            for arm, values in decision.items()
        ]

    def decide(self, parts: Iterable[Part]) -> Iterator[Decision]:
        """The classifier's decision on each part."""
        return self.classifier.decide(parts)
