"""From a media file to emotions: the trained system in one folder, without Prefect, DVC or MLflow.

A folder holds ``fused/`` (model.safetensors, config.json), ``visual/`` and ``audio/`` (the encoders' checkpoints, or
``published.json`` naming them) and ``settings.json`` (how media are extracted).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from mfer_core.cache.schemas import WAVEFORMS
from mfer_core.encoders.emotion2vec import Emotion2vecEncoder, load_emotion2vec
from mfer_core.encoders.published import checkpoint_of
from mfer_core.encoders.vit import VitEncoder, load_vit
from mfer_core.files import read_json
from mfer_core.media.clip import ExtractedClip, extract_clip
from mfer_core.media.read import decode_image, speeches
from mfer_core.models.fusion import Fused
from mfer_core.models.store import load_model
from mfer_core.settings import Extract


@dataclass
class Predictor:
    """Both encoders and the fused model, ready for files."""

    visual: VitEncoder
    audio: Emotion2vecEncoder
    model: Fused
    extract: Extract

    @classmethod
    def load(cls, folder: Path, device: str = "auto") -> "Predictor":
        """Raises MferError naming the file that is missing or broken."""
        folder = Path(folder)
        visual = load_vit(*checkpoint_of(folder / "visual"), device, "fp32")
        audio = load_emotion2vec(*checkpoint_of(folder / "audio"), device, "fp32")
        model, _ = load_model(folder / "fused")
        return cls(visual, audio, model, Extract.model_validate(read_json(folder / "settings.json")["extract"]))

    @property
    def classes(self) -> tuple[str, ...]:
        return self.model.classes

    def predict(self, paths: Iterable[Path | str]) -> pd.DataFrame:
        """One row per file and arm: path, arm, label, one probability per class name.

        A file without picture or without sound has the rows of what it has; the fused row always. Raises ClipError
        for a file that cannot be used.
        """
        return pd.concat([self.predict_clip(extract_clip(Path(path), self.extract)).assign(path=str(path)) for path in paths])

    def predict_clip(self, clip: ExtractedClip) -> pd.DataFrame:
        """The rows of one extracted clip."""
        visual, audio = self._embed_frames(clip), self._embed_waveform(clip)
        lengths = torch.tensor([len(visual)]), torch.tensor([len(audio)])
        padded = [
            torch.from_numpy(values if len(values) else np.zeros((1, values.shape[1]), np.float32))[None] for values in (visual, audio)
        ]
        with torch.no_grad():
            logits = {"fused": self.model(padded[0], lengths[0], padded[1], lengths[1])}
            if len(visual):
                logits["visual"] = self.model.visual(padded[0], lengths[0])
            if len(audio):
                logits["audio"] = self.model.audio(padded[1], lengths[1])
        return pd.DataFrame([self._row(arm, values[0]) for arm, values in logits.items()])

    def _row(self, arm: str, logits: torch.Tensor) -> dict:
        probabilities = dict(zip(self.classes, logits.softmax(0).tolist(), strict=True))
        return {"arm": arm, "label": max(probabilities, key=probabilities.get), **probabilities}

    def _embed_frames(self, clip: ExtractedClip) -> np.ndarray:
        return self.visual.embed([decode_image(frame["image"]) for frame in clip.frames])  # [T, D]

    def _embed_waveform(self, clip: ExtractedClip) -> np.ndarray:
        if clip.waveform is None:
            return np.zeros((0, self.model.audio.config.input_dim), np.float32)
        row = pa.Table.from_pylist([{"clip_id": "", "key": "", **clip.waveform}], WAVEFORMS)
        (speech,) = speeches(row, self.extract.vad_min_clip_s)
        return self.audio.embed([speech.waveform])[0]  # [T, D]
