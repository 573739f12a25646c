"""ViT: one feature per face image (the CLS token), from any Hugging Face image-classification ViT by folder or id.

Method: Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929. The model is transformers' own class; the classifier is not
part of the feature, and serves only as a zero-shot baseline.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import ViTConfig
from transformers.utils.logging import disable_progress_bar

from mfer_core.cache.heads import Head
from mfer_core.encoders.checkpoints import find_checkpoint
from mfer_core.encoders.device import choose_device, in_halves, inference
from mfer_core.encoders.images import FILE, Preprocessing, read_preprocessing
from mfer_core.encoders.vit_stem import vit_class
from mfer_core.errors import MferError
from mfer_core.files import read_json

SHAPING_FILES = ("config.json", FILE)


@dataclass
class VitEncoder:
    """A ViT in evaluation mode, ready to embed face images."""

    model: torch.nn.Module
    preprocessing: Preprocessing
    labels: list[str]  # of its classifier, in class order, as the checkpoint spells them
    metadata: dict  # name, revision, hash
    device: torch.device
    precision: str

    def embed(self, images: list[np.ndarray], batch_size: int = 64) -> np.ndarray:
        """float32 [N, D]: the CLS feature of each uint8 [H, W] or [H, W, 3] image."""
        return self._batches(images, batch_size, self._features, self.dim)

    def classify(self, images: list[np.ndarray], batch_size: int = 64) -> np.ndarray:
        """float32 [N, len(labels)]: the probabilities of the checkpoint's own classifier (a zero-shot baseline)."""
        return self._batches(images, batch_size, self._probabilities, len(self.labels))

    def head(self) -> Head:
        """The checkpoint's own classifier of the CLS feature."""
        weight, bias = (value.detach().float().cpu().numpy() for value in (self.model.classifier.weight, self.model.classifier.bias))
        return Head(weight, bias, self.labels)

    def _batches(self, images: list[np.ndarray], batch_size: int, run, width: int) -> np.ndarray:
        parts = [np.empty((0, width), np.float32)]
        for start in range(0, len(images), batch_size):
            parts += in_halves(run, images[start : start + batch_size])
        return np.concatenate(parts)

    def _features(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        with inference(self.device, self.precision):
            return [self._cls(images).float().cpu().numpy()]

    def _probabilities(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        with inference(self.device, self.precision):
            return [self.model.classifier(self._cls(images)).float().softmax(-1).cpu().numpy()]

    def _cls(self, images: Sequence[np.ndarray]) -> torch.Tensor:
        pixels = self.preprocessing.normalise(self.preprocessing.resize(list(images)).to(self.device))
        return self.features(pixels)

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """[N, D]: the CLS features of preprocessed images [N, 3, H, W]."""
        return self.model.vit(pixels).last_hidden_state[:, 0]

    @property
    def dim(self) -> int:
        """D of the features."""
        return self.model.config.hidden_size


def load_vit(checkpoint: str, revision: str | None, device: str, precision: str) -> VitEncoder:
    """Load a Hugging Face ViT classifier by folder or id. Raises MferError when it is missing, broken or no ViT."""
    found = find_checkpoint(checkpoint, revision, SHAPING_FILES)
    target = choose_device(device)
    model = _load_model(found.folder).to(target)
    labels = [model.config.id2label[number] for number in range(model.config.num_labels)]
    return VitEncoder(model, read_preprocessing(found.folder), labels, found.metadata, target, precision)


def _load_model(folder: Path) -> torch.nn.Module:
    kind = read_json(folder / "config.json").get("model_type")
    if kind != "vit":
        raise MferError(f"{folder} holds a {kind!r} model: this encoder reads model_type 'vit'")
    config = ViTConfig.from_pretrained(folder, local_files_only=True)
    disable_progress_bar()  # of milliseconds, for each of which a terminal would keep a line
    try:
        model, report = vit_class(config).from_pretrained(
            folder, config=config, local_files_only=True, attn_implementation="sdpa", output_loading_info=True
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise MferError(f"cannot load the ViT in {folder}: {' '.join(str(error).split())[:300]}") from error
    if missing := sorted(report["missing_keys"]):
        raise MferError(f"the weights in {folder} lack {', '.join(missing[:3])}: this is not a complete ViT classifier")
    return model.eval()
