"""The ViT that training on faces starts from: a compact one with random weights, or a published one; and how
it is written.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import ViTConfig, ViTForImageClassification
from transformers.utils.logging import disable_progress_bar

from mfer_core.base.files import atomic_path, write_json
from mfer_core.base.labels import head_classes, label_set
from mfer_core.base.settings import PretrainVit
from mfer_core.encoders.images import FILE, Preprocessing
from mfer_core.encoders.vit import load_vit
from mfer_core.encoders.vit_stem import vit_class, weight_scale

LABELS = label_set("seven")


def preprocessing_of(settings: PretrainVit) -> Preprocessing:
    """The compact ViT's preprocessing: bilinear, and values from -1 to 1."""
    return Preprocessing(settings.image_size, settings.image_size, 2, 1 / 255, (0.5,) * 3, (0.5,) * 3)


def build_vit(settings: PretrainVit) -> ViTForImageClassification:
    """A fresh compact ViT with random weights (torch's global generator)."""
    # A ViTConfig keeps settings that it does not know, such as the stem's, but its types do not say so.
    config = ViTConfig(  # type: ignore[call-arg]
        image_size=settings.image_size,
        patch_size=settings.patch_size,
        stem_channels=settings.stem_channels,
        stem_blocks=settings.stem_blocks,
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        intermediate_size=4 * settings.hidden_size,
        initializer_range=weight_scale(settings.hidden_size),
        **_names(),
    )
    return vit_class(config)(config)


def published_vit(settings: PretrainVit) -> tuple[ViTForImageClassification, Preprocessing]:
    """The ViT that ``settings.checkpoint`` names, with a classifier of the seven classes: its own rows for
    those it knows.

    Raises MferError as ``load_vit`` does.
    """
    encoder = load_vit(str(settings.checkpoint), settings.revision, "cpu", "fp32", settings.hash)
    model, known = encoder.model, head_classes(encoder.labels)
    published, fresh = model.classifier, torch.nn.Linear(encoder.dim, len(LABELS))
    assert isinstance(published, torch.nn.Linear)  # load_vit takes no other
    with torch.no_grad():
        for row, label in enumerate(LABELS):
            if label in known:
                fresh.weight[row], fresh.bias[row] = (
                    published.weight[known.index(label)],
                    published.bias[known.index(label)],
                )
    model.classifier, model.num_labels = fresh, len(LABELS)
    model.config.update(_names())
    return model, encoder.preprocessing


def _names() -> dict:
    numbered = dict(enumerate(LABELS))
    return {
        "num_labels": len(LABELS),
        "id2label": numbered,
        "label2id": {name: number for number, name in numbered.items()},
    }


def save_vit(model: ViTForImageClassification, preprocessing: Preprocessing, out: Path) -> None:
    """Write the Hugging Face layout: config.json, model.safetensors, preprocessor_config.json."""
    disable_progress_bar()
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out, prefix=".", suffix=".tmp") as folder:
        model.save_pretrained(folder)  # writes step by step, and the weights for their owner alone
        for file in sorted(Path(folder).iterdir()):
            with atomic_path(out / file.name) as temporary:
                file.replace(temporary)
    size = {"height": preprocessing.height, "width": preprocessing.width}
    flags = {"do_resize": True, "do_rescale": True, "do_normalize": True}
    values = {"resample": preprocessing.resample, "rescale_factor": preprocessing.scale}
    norm = {"image_mean": list(preprocessing.mean), "image_std": list(preprocessing.std)}
    write_json(
        out / FILE, {"image_processor_type": "ViTImageProcessor", "size": size, **flags, **values, **norm}
    )
