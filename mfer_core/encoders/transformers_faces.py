"""Any published image encoder of transformers' families, one feature per face image: ViT without a
classifier, DINOv2, the vision towers of CLIP and SigLIP, ConvNeXt.

The feature is the one that the family hands on for a whole image: ViT's and DINOv2's class token, CLIP's
normalised class token, SigLIP's attention pooling, ConvNeXt's normalised mean. The image is prepared as the
checkpoint's own processor does it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import (
    MODEL_MAPPING,
    AutoImageProcessor,
    CLIPVisionModel,
    PreTrainedModel,
    SiglipVisionModel,
)

from mfer_core.base.errors import MferError, one_line
from mfer_core.encoders.batched_faces import BatchedFaces
from mfer_core.encoders.checkpoint_pointer import Source
from mfer_core.encoders.checkpoints import find_checkpoint
from mfer_core.encoders.device import choose_device, placed
from mfer_core.encoders.images import FILE, Preprocessing, parse_preprocessing
from mfer_core.encoders.pretrained import load_pretrained, read_config

SHAPING_FILES = ("config.json", FILE)


class Family(NamedTuple):
    """How a family's checkpoint is read, and what of its output is an image's feature."""

    feature: Callable[[Any], Tensor]
    model_class: type[PreTrainedModel] | None = None  # None: the class of the configuration.
    tower: bool = False  # Whether the model is the vision part of one of images and texts.
    options: Mapping[str, Any] = MappingProxyType({})


def _class_token(output: Any) -> Tensor:
    return output.last_hidden_state[:, 0]


def _pooled(output: Any) -> Tensor:
    return output.pooler_output


# model_type of config.json -> family.
FAMILIES: dict[str, Family] = {
    "vit": Family(_class_token, options={"add_pooling_layer": False}),
    "dinov2": Family(_class_token),
    "dinov2_with_registers": Family(_class_token),
    "clip": Family(_pooled, CLIPVisionModel, tower=True),
    "clip_vision_model": Family(_pooled, CLIPVisionModel),
    "siglip": Family(_pooled, SiglipVisionModel, tower=True),
    "siglip_vision_model": Family(_pooled, SiglipVisionModel),
    "convnext": Family(_pooled),
    "convnextv2": Family(_pooled),
}
TOWER_NAMES = {r"^vision_model\.": ""}


@dataclass
class TransformersFaces(BatchedFaces):
    """An image encoder of transformers in evaluation mode, ready to embed face images."""

    model: PreTrainedModel
    feature: Callable[[Any], Tensor]
    preprocessing: Preprocessing
    metadata: dict  # name, revision, hash, family
    device: torch.device
    precision: str

    @property
    def dim(self) -> int:
        """D of the features."""
        config = self.model.config
        return config.hidden_sizes[-1] if hasattr(config, "hidden_sizes") else config.hidden_size

    def head(self) -> None:
        """None: the families have no classifier of emotions."""

    def features(self, pixels: Tensor) -> Tensor:
        """[N, D] of preprocessed images [N, 3, H, W]."""
        return self.feature(self.model(pixel_values=pixels))

    @property
    def frame_bytes(self) -> float:
        """Working memory of one frame: of a block at its widest."""
        config, pixels = self.model.config, self.preprocessing.height * self.preprocessing.width
        # Such a model's blocks widen their channels four times, at the first resolution.
        if hasattr(config, "hidden_sizes"):
            widest = 10 * config.hidden_sizes[0] * pixels / config.patch_size**2
        else:
            inner = getattr(config, "intermediate_size", 4 * config.hidden_size)
            widest = (pixels / config.patch_size**2 + 1) * (4 * config.hidden_size + 2 * inner)
        return 4.0 * (widest + 2 * 3 * pixels)

    def stack(self) -> list[nn.Module]:
        """The transformer blocks; ConvNeXt's stages."""
        encoder = getattr(self.model, "encoder", self.model)
        names = ("layers", "layer", "stages")
        stacks = [stack for name in names if isinstance(stack := getattr(encoder, name, None), nn.ModuleList)]
        return list(stacks[0])

    def rest(self) -> list[nn.Module | nn.Parameter]:
        """Embeddings of patches and positions, and the norm behind the blocks."""
        names = ("embeddings", "pre_layrnorm", "layernorm", "post_layernorm", "head")
        return [part for name in names if (part := getattr(self.model, name, None)) is not None]


def load_transformers_faces(source: Source, device: str, precision: str) -> TransformersFaces:
    """Load a folder or hub id. Raises MferError when it is missing, incomplete, of no family above, or asks
    for a preparation of images that is not supported.
    """
    located = find_checkpoint(source.checkpoint, source.revision, SHAPING_FILES, source.hash)
    folder = located.folder
    config = read_config(folder, "a face encoder", FAMILIES)
    family, kind = FAMILIES[config.model_type], config.model_type
    config = config.vision_config if family.tower else config
    # transformers' types leave out that a configuration's class leads to its model's.
    model_class: type[PreTrainedModel] = family.model_class or MODEL_MAPPING[type(config)]  # type: ignore[assignment]
    names = {"key_mapping": TOWER_NAMES} if family.model_class else {}
    model = load_pretrained(model_class, folder, config, **family.options, **names)
    torch_device = choose_device(device)
    model = placed(model, torch_device, precision)
    metadata = {**located.metadata, "family": kind}
    return TransformersFaces(model, family.feature, _preprocessing(folder), metadata, torch_device, precision)


def _preprocessing(folder: Path) -> Preprocessing:
    try:
        processor = AutoImageProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, backend="pil"
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise MferError(
            f"no image processor in {folder} ({one_line(error)}): put the checkpoint's {FILE} there"
        ) from error
    return parse_preprocessing(processor.to_dict(), folder / FILE)
