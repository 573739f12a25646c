"""ViT: one feature per face image (the CLS token), from any Hugging Face image-classification ViT by folder
or id.

Method: Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929. The model is transformers' own class; the
classifier is not part of the feature, and serves only as a zero-shot baseline.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import ViTForImageClassification

from mfer_core.base.errors import MferError
from mfer_core.cache.heads import Head
from mfer_core.encoders.batched_faces import BatchedFaces
from mfer_core.encoders.checkpoints import find_checkpoint
from mfer_core.encoders.device import choose_device, placed
from mfer_core.encoders.images import FILE, Preprocessing, read_preprocessing
from mfer_core.encoders.pretrained import load_pretrained, read_config
from mfer_core.encoders.vit_stem import vit_class

SHAPING_FILES = ("config.json", FILE)


@dataclass
class VitEncoder(BatchedFaces):
    """A ViT in evaluation mode, ready to embed face images."""

    model: ViTForImageClassification
    preprocessing: Preprocessing
    labels: list[str]  # The labels of the checkpoint's classifier, in class order, as it spells them.
    metadata: dict  # name, revision, hash
    device: torch.device
    precision: str

    @property
    def frame_bytes(self) -> float:
        """Working memory of one frame: of a block at its widest, or of a stem's convolutions."""
        config = self.model.config
        tokens = self.model.vit.embeddings.patch_embeddings.num_patches + 1
        block = tokens * (4 * config.hidden_size + 2 * config.intermediate_size)
        pixels = self.preprocessing.height * self.preprocessing.width
        widths = getattr(config, "stem_channels", None) or []
        stem = max((2 * width * pixels / 4**halved for halved, width in enumerate(widths)), default=0)
        return 4.0 * (max(block, stem) + 2 * 3 * pixels)

    def head(self) -> Head:
        """The checkpoint's own classifier of the CLS feature."""
        classifier = self.model.classifier
        assert isinstance(classifier, torch.nn.Linear)  # load_vit takes no other
        weight, bias = (
            value.detach().float().cpu().numpy() for value in (classifier.weight, classifier.bias)
        )
        return Head(weight, bias, self.labels)

    def stack(self) -> list[torch.nn.Module]:
        """The transformer blocks."""
        return list(self.model.vit.layers)

    def rest(self) -> list[torch.nn.Module | torch.nn.Parameter]:
        """Class token, positions and the last norm."""
        vit = self.model.vit
        return [vit.embeddings.cls_token, vit.embeddings.position_embeddings, vit.layernorm]

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """[N, D]: the CLS features of preprocessed images [N, 3, H, W]."""
        return self.model.vit(pixels).last_hidden_state[:, 0]

    @property
    def dim(self) -> int:
        """D of the features."""
        return self.model.config.hidden_size


def load_vit(
    checkpoint: str, revision: str | None, device: str, precision: str, locked: str | None = None
) -> VitEncoder:
    """Load a Hugging Face ViT classifier by folder or id. Raises MferError when it is missing, broken, no ViT
    or not of the hash that is ``locked``.
    """
    located = find_checkpoint(checkpoint, revision, SHAPING_FILES, locked)
    torch_device = choose_device(device)
    model = placed(_load_model(located.folder), torch_device, precision)
    preprocessing = read_preprocessing(located.folder)
    labels = _check(model, preprocessing, located.folder)
    return VitEncoder(model, preprocessing, labels, located.metadata, torch_device, precision)


def _check(model: ViTForImageClassification, preprocessing: Preprocessing, folder: Path) -> list[str]:
    """The classifier's labels. Raises MferError where they are not its classes, or pictures of another size
    would come than the model takes.
    """
    size = (preprocessing.height, preprocessing.width)
    taken = model.vit.embeddings.patch_embeddings.image_size
    if size != tuple(taken):
        raise MferError(f"{folder}: {FILE} makes pictures of {size}, and the model takes {taken}")
    names: dict = model.config.id2label or {}
    if names.keys() != {*range(len(names))}:
        raise MferError(f"{folder / 'config.json'}: id2label does not number its classes from 0")
    return [str(names[number]) for number in range(len(names))]


def _load_model(folder: Path) -> ViTForImageClassification:
    config = read_config(folder, "a ViT classifier", ("vit",))
    model = load_pretrained(vit_class(config), folder, config, attn_implementation="sdpa")
    if not isinstance(model.classifier, torch.nn.Linear):
        raise MferError(f"the ViT in {folder} has no classes: this is not a complete ViT classifier")
    return model
