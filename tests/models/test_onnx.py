"""ONNX graphs of arms and fusion give the probabilities of the models that they were made of."""

import sys

import numpy as np
import pytest
import torch
from onnxruntime import InferenceSession

from mfer_core.base.errors import MferError
from mfer_core.models import onnx
from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.models.fusion import HEADS, Fused
from mfer_core.models.onnx import write_onnx

SHAPES = [
    ({"readout": "last"}, {"readout": "last", "layers": 2}),
    ({"readout": "mean", "probe": True, "pyramid": (1, 2, 4)}, {"readout": "statistics", "pool": 4}),
    (
        {"standardise": False, "pool": 2, "mixed_layers": 3},
        {"probe": True, "pyramid": (3,), "pool": 3, "readout": "mean"},
    ),
]


def fused(shapes, fusion="linear") -> Fused:
    torch.manual_seed(0)
    same = {"hidden_size": 8, "layers": 1, "dropout": 0.3, "classes": ("angry", "happy", "sad")}
    arms = [
        Arm(ArmConfig(modality=name, input_dim=dim, **(same | shape)))
        for name, dim, shape in zip(("visual", "audio"), (6, 10), shapes, strict=True)
    ]
    for arm in arms:
        arm.standardise(torch.randn(arm.config.input_dim), torch.rand(arm.config.input_dim) + 0.5)
    model = Fused(*arms, fusion).eval()
    for parameter in model.head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


OTHERS = [fusion for fusion in HEADS if fusion != "linear"]
KINDS = [*((shapes, "linear") for shapes in SHAPES), *((SHAPES[1], fusion) for fusion in OTHERS)]


@pytest.mark.parametrize("shapes, fusion", KINDS)
def test_a_graph_gives_what_its_model_gives_for_any_length_and_an_absent_modality(shapes, fusion, tmp_path):
    model = fused(shapes, fusion)
    assert [path.name for path in write_onnx(model, tmp_path)] == ["visual.onnx", "audio.onnx", "fused.onnx"]
    session = InferenceSession(str(tmp_path / "fused.onnx"))
    assert [put.name for put in session.get_inputs()] == ["visual", "visual_steps", "audio", "audio_steps"]
    alone = InferenceSession(str(tmp_path / "audio.onnx"))
    for steps in ((5, 13), (0, 300), (77, 0)):
        values = [torch.randn(1, max(count, 1), dim) for count, dim in zip(steps, (6, 10), strict=True)]
        counts = [torch.tensor([count]) for count in steps]
        whole = {"visual": values[0], "visual_steps": counts[0], "audio": values[1], "audio_steps": counts[1]}
        with torch.no_grad():
            expected = model(*whole.values()).softmax(1), model.audio(values[1], counts[1]).softmax(1)
        asked = {name: value.numpy() for name, value in whole.items()}
        (both,) = session.run(None, asked)
        (heard,) = alone.run(None, {name: asked[name] for name in ("audio", "audio_steps")})
        np.testing.assert_allclose(both, expected[0], atol=1e-5)
        np.testing.assert_allclose(heard, expected[1], atol=1e-5)


def test_a_graph_that_is_not_its_model_is_refused(tmp_path, monkeypatch):
    def of_another(model, *arguments, export=torch.onnx.export, **named):
        with torch.no_grad():
            bias = model.model.classifier.bias
            bias.add_(torch.arange(3))
            export(model, *arguments, **named)
            bias.sub_(torch.arange(3))

    monkeypatch.setattr(onnx.torch.onnx, "export", of_another)
    with pytest.raises(MferError, match=r"visual\.onnx differs from its model by"):
        write_onnx(fused(SHAPES[0]), tmp_path)


def test_without_the_package_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MferError, match=r"pip install onnx"):
        write_onnx(fused(SHAPES[0]), tmp_path)
