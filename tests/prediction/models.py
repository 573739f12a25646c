"""Whole models with random weights, in the layout that mfer_core.prediction.predictor documents."""

from pathlib import Path

import torch

from mfer_core.base.files import write_json
from mfer_core.base.labels import label_set
from mfer_core.base.settings import Extract, PretrainVit
from mfer_core.encoders.emotion2vec_config import Layers, model_conf
from mfer_core.encoders.emotion2vec_model import build_model, write_checkpoint
from mfer_core.encoders.vit_start import build_vit, preprocessing_of, save_vit
from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.models.fusion import Fused
from mfer_core.models.store import describe_model, save_weights
from mfer_core.prediction.predictor import ModelSettings


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


def narrow_conf(layers: Layers) -> dict:
    """The smallest Emotion2vec that runs."""
    return model_conf(32, 1, 1, 4, layers, pos_groups=4)
