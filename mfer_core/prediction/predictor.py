"""From a media file to emotions: the trained system in one folder, without Prefect, DVC or MLflow.

A folder holds ``fused/`` (model.safetensors, config.json), ``visual/`` and ``audio/`` (the encoders' checkpoints, or
``published.json`` naming them) and ``settings.json`` (how media are extracted, whether the corpora were synthetic).
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel, ValidationError
from torch.nn.utils.rnn import pad_sequence

from mfer_core.base.errors import MferError
from mfer_core.base.files import digest, read_json, sha256_file, write_json
from mfer_core.base.folders import readable
from mfer_core.base.settings import Extract
from mfer_core.cache.embeddings import PRECOMPUTED
from mfer_core.encoders.emotion2vec import Emotion2vecEncoder, load_emotion2vec
from mfer_core.encoders.published import checkpoint_of
from mfer_core.encoders.vit import VitEncoder, load_vit
from mfer_core.media.clip import extract_clip
from mfer_core.media.read import decode_image, keep_speech
from mfer_core.media.result import ExtractedClip
from mfer_core.models.finetuned import put_blocks
from mfer_core.models.fusion import Fused
from mfer_core.models.store import load_trained
from mfer_core.prediction.windows import STEP_S, WINDOW_S, Embedded, window_spans

SETTINGS = "settings.json"
ARMS = ("visual", "audio", "fused")
LIMITS = {"max_duration_s", "clip_time_limit_s", "shard_clips", "rejects_limit", "workers"}  # shape no figure
BATCH = 64  # windows through the arms at a time


class ModelSettings(BaseModel):
    """``settings.json`` of a model's folder."""

    extract: Extract
    synthetic: bool  # trained on demonstration corpora

    def allowing(self, max_minutes: float) -> "ModelSettings":
        """With another limit of length, and time to match. Raises MferError for one that is not above 0."""
        if not max_minutes > 0:
            raise MferError(f"max minutes {max_minutes:g}: it must be above 0")
        longest_s = 60 * max_minutes
        limit_s = self.extract.clip_time_limit_s * max(1.0, longest_s / self.extract.max_duration_s)
        limits = {"max_duration_s": longest_s, "clip_time_limit_s": limit_s}
        return self.model_copy(update={"extract": self.extract.model_copy(update=limits)})

    def write(self, folder: Path) -> None:
        write_json(folder / SETTINGS, self.model_dump())

    @classmethod
    def read(cls, folder: Path) -> "ModelSettings":
        """Raises MferError when it is missing or not this version's."""
        try:
            return cls.model_validate(read_json(folder / SETTINGS))
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"]))
            raise MferError(
                f"{folder / SETTINGS}: {where}: {fault['msg']}: made by another version? Run stage register again"
            ) from error


@dataclass(frozen=True)
class Prediction:
    """What one recording gave. Both tables: path, start_s, end_s, arm, label, and a probability per class name.

    A row for an arm stands only where the recording has its modality; the fused row where it has either.
    """

    path: str
    clip: ExtractedClip
    table: pd.DataFrame  # the whole recording, a row per arm
    timeline: pd.DataFrame  # a row per window and arm; a recording no longer than a window has one window
    step_s: float  # between two windows


def _refuse_precomputed(folder: Path, config: dict) -> None:
    for modality, encoder in config.get("encoders", {}).items():
        if encoder.get("kind") == PRECOMPUTED:
            raise MferError(
                f"the model in {folder} cannot predict media files: its {modality} arm was trained on {encoder['name']}, which a person "
                "computed elsewhere; train that arm with an encoder of the pipeline"
            )


@dataclass
class Predictor:
    """Both encoders and the fused model, ready for files."""

    visual: VitEncoder
    audio: Emotion2vecEncoder
    model: Fused
    settings: ModelSettings
    identity: str  # of everything that shapes the figures; two models of one identity are the same model

    @classmethod
    def load(cls, folder: Path | str, device: str = "auto", max_minutes: float | None = None) -> "Predictor":
        """``max_minutes`` is the longest recording that is looked at, in place of the model's own limit.

        Raises MferError naming the file that is missing or broken, or the features that no media file holds.
        """
        folder = Path(folder)
        settings = ModelSettings.read(folder)
        if max_minutes is not None:
            settings = settings.allowing(max_minutes)
        model, config, blocks = load_trained(folder / "fused")
        _refuse_precomputed(folder, config)
        if any(arm.config.normalisation == "speaker" for arm in (model.visual, model.audio)):
            raise MferError(
                f"{folder} takes steps standardised by speaker: it cannot judge a recording without the speaker's other ones"
            )
        visual = load_vit(*checkpoint_of(folder / "visual"), device, "fp32")
        audio = load_emotion2vec(*checkpoint_of(folder / "audio"), device, "fp32")
        for modality, own in blocks.items():
            put_blocks({"visual": visual, "audio": audio}[modality], own, config["encoders"][modality])
        parts = [visual.metadata, audio.metadata, settings.model_dump(exclude={"extract": LIMITS})]
        weights = [sha256_file(file) for file in sorted((folder / "fused").iterdir()) if file.is_file()]
        return cls(visual, audio, model, settings, digest(parts, weights))

    @property
    def warning(self) -> str | None:
        """What must stand beside its figures."""
        return (
            "trained on synthetic demonstration corpora: of no use on people"
            if self.settings.synthetic
            else None
        )

    @property
    def classes(self) -> tuple[str, ...]:
        return self.model.classes

    def predict(self, paths: Iterable[Path | str]) -> pd.DataFrame:
        """One row per file and arm (see ``Prediction``). Raises ClipError for a file that cannot be used."""
        return pd.concat([self.examine(path).table for path in paths], ignore_index=True)

    def examine(self, path: Path | str, window_s: float = WINDOW_S, step_s: float = STEP_S) -> Prediction:
        """One recording as a whole, and over windows of ``window_s`` seconds that start every ``step_s`` seconds.

        The encoders run once over all of it. Raises ClipError for a file that cannot be used.
        """
        # An absolute path: FFmpeg takes a relative one with a colon for a protocol.
        clip = extract_clip(Path(path).absolute(), self.settings.extract, os.cpu_count() or 1)
        embedded = self.embed(clip)
        whole = (0.0, embedded.duration_s)
        spans = window_spans(embedded.duration_s, window_s, step_s)
        name = readable(path)
        tables = [self._table(name, embedded, chosen) for chosen in ([whole], spans)]
        return Prediction(name, clip, *tables, step_s)

    def embed(self, clip: ExtractedClip) -> Embedded:
        """Both encoders over the whole clip."""
        return Embedded(*self.embed_picture(clip), *self.embed_sound(clip), clip.facts["duration_s"])

    def embed_picture(self, clip: ExtractedClip) -> tuple[np.ndarray, np.ndarray]:
        """Values [T, D] and times [T] (seconds on the clip's clock) of the face crops."""
        times = np.array([frame["time_s"] for frame in clip.frames])
        return self.visual.embed([decode_image(frame["image"]) for frame in clip.frames]), times

    def embed_sound(self, clip: ExtractedClip) -> tuple[np.ndarray, np.ndarray]:
        """Values [T, D] and times [T] of what the method keeps of the sound."""
        if clip.waveform is None:
            return np.zeros((0, self.model.audio.config.input_dim), np.float32), np.zeros(0)
        speech = keep_speech("", "", clip.waveform, self.settings.extract.vad_min_clip_s)
        (values,) = self.audio.embed([speech.waveform])
        return values, speech.times(self.audio.centres(len(values)))

    def _table(self, path: str, embedded: Embedded, spans: list[tuple[float, float]]) -> pd.DataFrame:
        rows = []
        for span, arms in zip(spans, self.decide(embedded.between(*span) for span in spans), strict=True):
            place = {"path": path, "start_s": span[0], "end_s": span[1]}
            rows += [
                place | {"arm": arm, "label": self.classes[int(values.argmax())]} | self._named(values)
                for arm, values in arms.items()
            ]
        return pd.DataFrame(rows)

    def _named(self, probabilities: torch.Tensor) -> dict[str, float]:
        return dict(zip(self.classes, probabilities.tolist(), strict=True))

    def decide(self, parts: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> Iterator[dict[str, torch.Tensor]]:
        """For each part (visual [T, D], audio [T, D]; T is 0 without the modality): arm -> probabilities [C]."""
        waiting = iter(parts)
        while batch := list(islice(waiting, BATCH)):
            visual, audio = (_padded(side) for side in zip(*batch, strict=True))
            with torch.no_grad():
                logits = self.model.visual(*visual), self.model.audio(*audio), self.model(*visual, *audio)
            shares = [values.softmax(1) for values in logits]
            present = visual[1] > 0, audio[1] > 0, visual[1] + audio[1] > 0
            for place in range(len(visual[1])):
                yield {
                    arm: values[place]
                    for arm, values, has in zip(ARMS, shares, present, strict=True)
                    if has[place]
                }


def _padded(parts: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Right-padded [B, T, D] with T at least 1, and the lengths [B]."""
    filled = [part if len(part) else part.new_zeros(1, part.shape[1]) for part in parts]
    return pad_sequence(filled, batch_first=True), torch.tensor([len(part) for part in parts])
