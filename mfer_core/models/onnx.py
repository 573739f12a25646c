"""Arms and fusion as ONNX graphs, for programs without PyTorch. The encoders are not among them: a graph
starts from embeddings.
"""

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mfer_core.base.errors import MferError
from mfer_core.base.modalities import MODALITIES
from mfer_core.models.arm import Arm
from mfer_core.models.fusion import Fused

OPSET = 17
TOLERANCE = 1e-4  # between the probabilities of a graph and of the model
TRIALS = ((1, 1), (0, 7), (9, 0), (40, 3), (61, 250))  # steps of the picture and of the sound


class _Probabilities(nn.Module):
    """The model's probabilities [1, C] in place of its logits."""

    def __init__(self, model: Arm | Fused):
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.model(*inputs).softmax(1)


def write_onnx(fused: Fused, folder: Path) -> list[Path]:
    """Write ``visual.onnx``, ``audio.onnx`` and ``fused.onnx``, each compared with its model in ONNX Runtime;
    returns the files.

    A graph takes one recording: for each modality embeddings [1, T, D] (float32, T at least 1) under the
    modality's name, and the number of them that count, [1] (int64), under ``<modality>_steps``; 0 says that
    the modality is absent. It gives ``probabilities`` [1, C]. Raises MferError where the package onnx is
    missing, and where a graph does not give what its model gives.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts: dict[str, tuple[Arm | Fused, tuple[str, ...]]] = {
        "visual": (fused.visual, ("visual",)),
        "audio": (fused.audio, ("audio",)),
        "fused": (fused, MODALITIES),
    }
    dims = {"visual": fused.visual.config.input_dim, "audio": fused.audio.config.input_dim}
    written = []
    for name, (model, modalities) in parts.items():
        path, whole = folder / f"{name}.onnx", _Probabilities(model).eval()
        _export(whole, modalities, dims, path)
        _compare(whole, modalities, dims, path)
        written.append(path)
    return written


def _export(whole: nn.Module, modalities: tuple[str, ...], dims: dict[str, int], path: Path) -> None:
    trial = _inputs(modalities, dims, TRIALS[-1])
    with warnings.catch_warnings():
        # torch's exporter that needs no further package is called legacy, and warns of batches, which a graph
        # has none of.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                whole,
                tuple(trial.values()),
                str(path),
                dynamo=False,
                input_names=list(trial),
                output_names=["probabilities"],
                dynamic_axes={name: {1: f"{name}_time"} for name in modalities},
                opset_version=OPSET,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            if "onnx is not installed" not in str(error):
                raise
            raise MferError("ONNX graphs need the package onnx: pip install onnx") from error


def _compare(whole: nn.Module, modalities: tuple[str, ...], dims: dict[str, int], path: Path) -> None:
    """Raises MferError where ONNX Runtime computes anything but what the model does."""
    from onnxruntime import InferenceSession

    session = InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for steps in TRIALS:
        inputs = _inputs(modalities, dims, steps)
        with torch.no_grad():
            expected = whole(*inputs.values()).numpy()
        (computed,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
        off = float(np.abs(computed - expected).max())
        if not off <= TOLERANCE:
            raise MferError(
                f"{path.name} differs from its model by {off:.2g} for {steps} steps: not exported"
            )


def _inputs(modalities: tuple[str, ...], dims: dict[str, int], steps: tuple[int, int]) -> dict[str, Tensor]:
    """Random embeddings of a recording of ``steps``; of an absent modality one step of zeros."""
    generator = torch.Generator().manual_seed(sum(steps))
    inputs = {}
    for name, count in zip(MODALITIES, steps, strict=True):
        if name in modalities:
            shape = (1, max(count, 1), dims[name])
            inputs[name] = torch.randn(shape, generator=generator) * (count > 0)
            inputs[f"{name}_steps"] = torch.tensor([count])
    return inputs
