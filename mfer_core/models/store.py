"""Models on disk: safetensors beside a JSON config. Never a pickle."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mfer_core.base.errors import MferError
from mfer_core.base.files import atomic_path, read_json
from mfer_core.models.arm import Arm, ArmConfig
from mfer_core.models.fusion import Fused

WEIGHTS = "model.safetensors"
CHOOSER = "chooser.safetensors"  # the model whose epochs were chosen, where the one in WEIGHTS was then trained anew on more clips
CONFIG = "config.json"
ENCODER = "encoder."  # prefix, before the modality, of the encoders' blocks that were trained with a model
Blocks = dict[str, dict[str, Tensor]]  # modality -> name in the encoder's model -> weights


def describe_model(model: Arm | Fused) -> dict:
    """What ``build_model`` needs, JSON-able."""
    if isinstance(model, Fused):
        return {"kind": "fused", "visual": asdict(model.visual.config), "audio": asdict(model.audio.config)}
    return {"kind": "arm", **asdict(model.config)}


def _arm(values: dict) -> Arm:
    return Arm(
        ArmConfig(
            **{
                name: tuple(value) if name == "classes" else value
                for name, value in values.items()
                if name != "kind"
            }
        )
    )


def build_model(description: dict) -> Arm | Fused:
    """A model of that shape with fresh weights."""
    return (
        Fused(_arm(description["visual"]), _arm(description["audio"]))
        if description["kind"] == "fused"
        else _arm(description)
    )


def save_weights(
    folder: Path,
    model: Arm | Fused,
    blocks: Mapping[str, Mapping[str, Tensor]] | None = None,
    file: str = WEIGHTS,
) -> None:
    """``blocks``: the weights of the encoders that were trained with the model."""
    weights = dict(model.state_dict())
    for modality, own in (blocks or {}).items():
        weights |= {f"{ENCODER}{modality}.{name}": value for name, value in own.items()}
    with atomic_path(Path(folder) / file) as temporary:
        save_file({name: value.detach().cpu().contiguous() for name, value in weights.items()}, temporary)


def load_trained(folder: Path, chooser: bool = False) -> tuple[Arm | Fused, dict, Blocks]:
    """The model of a fold's folder in evaluation mode, its config, and the encoders' blocks that were trained with it
    ({} where they were not). Raises MferError naming the file at fault.

    ``chooser``: the one that has not seen the validation clips.
    """
    config = read_json(Path(folder) / CONFIG)
    file = CHOOSER if chooser and (Path(folder) / CHOOSER).exists() else WEIGHTS
    try:
        model = build_model(config["model"])
        weights = load_file(Path(folder) / file)
        blocks: Blocks = {}
        for key in [key for key in weights if key.startswith(ENCODER)]:
            modality, name = key.removeprefix(ENCODER).split(".", 1)
            blocks.setdefault(modality, {})[name] = weights.pop(key)
        model.load_state_dict(weights)
    except (OSError, KeyError, RuntimeError, SafetensorError) as error:
        raise MferError(f"cannot load the model in {folder}: {error}") from error
    return model.eval(), config, blocks


def load_model(folder: Path) -> tuple[Arm | Fused, dict]:
    """A model that stands on the cached embeddings, and its config. Raises MferError for one with an encoder of its own."""
    model, config, blocks = load_trained(folder)
    if blocks:
        raise MferError(
            f"the model in {folder} was trained with its {' and '.join(blocks)} encoder: the cached embeddings are not its own"
        )
    return model, config
