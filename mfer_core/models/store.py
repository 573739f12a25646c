"""Models on disk: safetensors beside a JSON config. Never a pickle."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mfer_core.base.errors import MferError
from mfer_core.base.files import DAMAGED, atomic_path, read_json, remove
from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.models.fusion import Fused

WEIGHTS = "model.safetensors"
# The model that chose the epoch on the validation clips, where the one in WEIGHTS was then trained on these
# too.
SELECTION = "selection.safetensors"
CONFIG = "config.json"
ENCODER = "encoder."  # prefix, before the modality, of the encoders' blocks that were trained with a model
Kind = TypeVar("Kind", Arm, Fused)
Blocks = dict[str, dict[str, Tensor]]  # modality -> name in the encoder's model -> weights


def describe_model(model: Arm | Fused) -> dict:
    """The JSON-able description from which ``build_model`` builds the model."""
    if isinstance(model, Fused):
        arms = {"visual": asdict(model.visual.config), "audio": asdict(model.audio.config)}
        return {"kind": "fused", "fusion": model.fusion, **arms}
    return {"kind": "arm", **asdict(model.config)}


def _arm(values: dict) -> Arm:
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Arm(ArmConfig(**{name: value for name, value in values.items() if name != "kind"} | lists))


def build_model(description: dict) -> Arm | Fused:
    """A model of the described shape with fresh weights."""
    if description["kind"] != "fused":
        return _arm(description)
    # A model of before there was a choice is fused by the linear layer.
    fusion = description.get("fusion", "linear")
    return Fused(_arm(description["visual"]), _arm(description["audio"]), fusion)


def is_done(folder: Path, key: str) -> bool:
    """Whether the folder holds finished results under ``key``."""
    path = Path(folder) / CONFIG
    return path.exists() and read_json(path)["key"] == key


def begin(folder: Path) -> None:
    """Make the folder and take the mark of older results away, so that none can pass for the new ones."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    remove([Path(folder) / CONFIG])


def save_weights(
    folder: Path,
    model: Arm | Fused,
    blocks: Mapping[str, Mapping[str, Tensor]] | None = None,
    file: str = WEIGHTS,
) -> None:
    """``blocks``: the weights of the encoders that were trained with the model."""
    weights = dict(model.state_dict())
    for modality, learned in (blocks or {}).items():
        weights |= {f"{ENCODER}{modality}.{name}": value for name, value in learned.items()}
    with atomic_path(Path(folder) / file) as temporary:
        save_file({name: value.detach().cpu().contiguous() for name, value in weights.items()}, temporary)


def load_kind(kind: type[Kind], folder: Path, selection: bool = False) -> tuple[Kind, dict, Blocks]:
    """``load_trained`` of a folder whose model is an ``Arm``, or ``Fused``. Raises MferError also for the
    other.
    """
    model, config, blocks = load_trained(folder, selection)
    if not isinstance(model, kind):
        raise MferError(f"{folder} holds a model of kind {config['model']['kind']}: train its stage again")
    return model, config, blocks


def load_trained(folder: Path, selection: bool = False) -> tuple[Arm | Fused, dict, Blocks]:
    """The model of a fold's folder in evaluation mode, its config, and the encoders' blocks that were trained
    with it ({} where they were not). Raises MferError naming the file at fault.

    ``selection``: the one that has not seen the validation clips.
    """
    config = read_json(Path(folder) / CONFIG)
    file = SELECTION if selection and (Path(folder) / SELECTION).exists() else WEIGHTS
    try:
        model = build_model(config["model"])
        weights = load_file(Path(folder) / file)
        blocks: Blocks = {}
        for key in [key for key in weights if key.startswith(ENCODER)]:
            modality, name = key.removeprefix(ENCODER).split(".", 1)
            blocks.setdefault(modality, {})[name] = weights.pop(key)
        model.load_state_dict(weights)
    except (OSError, RuntimeError, SafetensorError, *DAMAGED) as error:
        raise MferError(f"cannot load the model in {folder}: {error}") from error
    return model.eval(), config, blocks
