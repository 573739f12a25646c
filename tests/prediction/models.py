"""Whole models with random weights, in the layout that mfer_core.prediction.predictor documents."""

from pathlib import Path

import torch
from ruamel.yaml import YAML
from transformers import ViTConfig, ViTForImageClassification
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from mfer_core.base.files import write_json
from mfer_core.base.labels import label_set
from mfer_core.base.settings import Extract, PretrainVit
from mfer_core.encoders.emotion2vec_config import Layers, model_conf
from mfer_core.encoders.emotion2vec_model import build_model, write_checkpoint
from mfer_core.encoders.vit_start import build_vit, preprocessing_of, save_vit
from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.models.fusion import Fused
from mfer_core.models.store import describe_model, save_weights
from mfer_core.prediction.model_settings import ModelSettings


def write_model(folder: Path, extract: Extract, vit: PretrainVit, conf: dict, hidden: int = 16) -> Path:
    """Encoders of the given shapes and untrained arms; the same bytes every time."""
    torch.manual_seed(3)
    classes = label_set("eight")
    save_vit(build_vit(vit), preprocessing_of(vit), folder / "visual")
    write_checkpoint(build_model(conf, 3), conf, ["angry", "happy"], folder / "audio")
    shape = {"hidden_size": hidden, "layers": 1, "dropout": 0.0, "readout": "mean", "classes": classes}
    arms = [
        Arm(ArmConfig(modality=name, input_dim=dim, **shape))
        for name, dim in (("visual", vit.hidden_size), ("audio", conf["embed_dim"]))
    ]
    fused = Fused(*arms)
    save_weights(folder / "fused", fused)
    write_json(folder / "fused" / "config.json", {"model": describe_model(fused), "labels": list(classes)})
    ModelSettings(extract=extract, synthetic=True).write(folder)
    return folder


# As dima806/facial_emotions_image_detection and emotion2vec_plus_base spell theirs, in their order.
VIT_LABELS = ("sad", "disgust", "angry", "neutral", "fear", "surprise", "happy")
TOKENS = (
    *("生气/angry", "厌恶/disgusted", "恐惧/fearful", "开心/happy", "中立/neutral"),
    *("其他/other", "难过/sad", "吃惊/surprised", "<unk>"),
)


def write_published(visual: Path, audio: Path, layers: Layers) -> None:
    """Stand-ins of both published encoders, small and with random weights, in the layouts of their hubs."""
    torch.manual_seed(5)
    names = dict(enumerate(VIT_LABELS))
    config = ViTConfig(
        image_size=32,
        patch_size=8,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        id2label=names,
        label2id={name: number for number, name in names.items()},
    )
    model = ViTForImageClassification(config)
    with torch.no_grad():
        model.classifier.weight *= 20  # as sure as a trained head
    model.save_pretrained(visual)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(visual)
    (visual / "README.md").write_text("---\nlicense: apache-2.0\nmetrics:\n- accuracy\n---\nA classifier.\n")
    conf = narrow_conf(layers)
    speech = build_model(conf, len(TOKENS))
    write_checkpoint(speech, conf, [], audio)
    (audio / "tokens.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    with torch.no_grad():
        speech.proj.weight *= 20
    (audio / "model.safetensors").unlink()
    weights = {f"d2v_model.{name}": tensor for name, tensor in speech.state_dict().items()}
    torch.save({"model": weights}, audio / "model.pt")
    published = YAML(typ="safe").load((audio / "config.yaml").read_text())
    YAML(typ="safe").dump({**published, "scope_map": ["d2v_model.", "none"]}, audio / "config.yaml")


def narrow_conf(layers: Layers) -> dict:
    """The smallest Emotion2vec that runs."""
    return model_conf(32, 1, 1, 4, layers, pos_groups=4)
