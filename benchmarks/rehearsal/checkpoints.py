"""Checkpoints of the published encoders' true architecture and layout, with random weights."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

from mfer_core.base.files import read_json, write_json
from mfer_core.encoders.emotion2vec_config import PUBLISHED_LAYERS, model_conf
from mfer_core.encoders.emotion2vec_model import build_model, write_checkpoint

VIT_LABELS = ("sad", "disgust", "angry", "neutral", "fear", "surprise", "happy")
SPEECH_LABELS = ("angry", "disgust", "fearful", "happy", "neutral", "sad", "surprised")


def write_vit(folder: Path) -> Path:
    """ViT-B/16 at 224 pixels with seven classes and its processor's file, as dima806's on Hugging Face."""
    torch.manual_seed(1)
    names = dict(enumerate(VIT_LABELS))
    config = ViTConfig(id2label=names, label2id={name: number for number, name in names.items()})
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor().save_pretrained(folder)
    return folder


def write_emotion2vec(folder: Path) -> Path:
    """Emotion2vec base, 768 values in 8 blocks, as iic's on Hugging Face: weights in a pickle."""
    torch.manual_seed(2)
    conf = model_conf(768, 8, 4, 12, PUBLISHED_LAYERS)
    write_checkpoint(build_model(conf, len(SPEECH_LABELS) + 1), conf, list(SPEECH_LABELS), folder)
    weights = folder / "model.safetensors"
    torch.save({"model": load_file(weights)}, folder / "model.pt")
    weights.unlink()
    description = read_json(folder / "configuration.json")
    description["file_path_metas"]["init_param"] = "model.pt"
    write_json(folder / "configuration.json", description)
    return folder
