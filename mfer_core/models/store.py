"""Models on disk: safetensors beside a JSON config. Never a pickle."""

from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mfer_core.errors import MferError
from mfer_core.files import atomic_path, read_json
from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.models.fusion import Fused

WEIGHTS = "model.safetensors"
CONFIG = "config.json"


def describe_model(model: Arm | Fused) -> dict:
    """What ``build_model`` needs, JSON-able."""
    if isinstance(model, Fused):
        return {"kind": "fused", "visual": asdict(model.visual.config), "audio": asdict(model.audio.config)}
    return {"kind": "arm", **asdict(model.config)}


def _arm(values: dict) -> Arm:
    return Arm(ArmConfig(**{name: tuple(value) if name == "classes" else value for name, value in values.items() if name != "kind"}))


def build_model(description: dict) -> Arm | Fused:
    """A model of that shape with fresh weights."""
    return Fused(_arm(description["visual"]), _arm(description["audio"])) if description["kind"] == "fused" else _arm(description)


def save_weights(folder: Path, model: Arm | Fused) -> None:
    with atomic_path(Path(folder) / WEIGHTS) as temporary:
        save_file({name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}, temporary)


def load_model(folder: Path) -> tuple[Arm | Fused, dict]:
    """The model of a fold's folder in evaluation mode, and its config. Raises MferError naming the file at fault."""
    config = read_json(Path(folder) / CONFIG)
    try:
        model = build_model(config["model"])
        model.load_state_dict(load_file(Path(folder) / WEIGHTS))
    except (OSError, KeyError, RuntimeError, SafetensorError) as error:
        raise MferError(f"cannot load the model in {folder}: {error}") from error
    return model.eval(), config
