"""FunASR's Emotion2vec: built from a configuration, its weights read from a folder that is not trusted, and
written to one.
"""

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from ruamel.yaml import YAML
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mfer_core.base.errors import MferError, one_line, typed_line
from mfer_core.base.files import atomic_path, write_json
from mfer_core.encoders.checkpoints import weights_files
from mfer_core.encoders.funasr_module import emotion2vec_class

if TYPE_CHECKING:
    from funasr.models.emotion2vec.model import Emotion2vec

# As the published tokens.txt spells them; 'calm' and all names that are not here have no published token.
TOKENS = {
    **{
        "angry": "生气/angry",
        "disgust": "厌恶/disgusted",
        "fearful": "恐惧/fearful",
        "happy": "开心/happy",
        "neutral": "中立/neutral",
    },
    **{"sad": "难过/sad", "surprised": "吃惊/surprised", "calm": "平静/calm"},
}


def build_model(model_conf: dict[str, Any], classes: int) -> "Emotion2vec":
    """An Emotion2vec with random weights (torch's global generator) and a head of ``classes`` (0: none)."""
    with emotion2vec_class() as emotion2vec:
        return emotion2vec(model_conf=copy.deepcopy(model_conf), vocab_size=classes or -1)


def load_model(folder: Path, config: dict[str, Any], classes: int) -> "Emotion2vec":
    """The model of a FunASR folder in evaluation mode. Raises MferError when weights are unsafe, missing or
    misshapen.
    """
    try:
        model = build_model(config["model_conf"], classes)
    # FunASR checks no value; each error means that the configuration is of no use.
    except Exception as error:
        fault = f"{folder / 'config.yaml'} describes no Emotion2vec: {typed_line(error)}"
        raise MferError(fault) from error
    state = read_state(weights_files(folder)[0])
    try:
        model.load_state_dict(_pick(state, model.state_dict(), list(config.get("scope_map") or [])))
    except (KeyError, RuntimeError) as error:
        raise MferError(f"the weights in {folder} do not fit its config.yaml: {one_line(error)}") from error
    return model.eval()


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name. A pickle is read with ``weights_only``: it cannot run code, and anything but tensors
    is refused.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise MferError(f"cannot read the weights {path}: {one_line(error)}") from error
    except Exception as error:  # pickle.UnpicklingError and whatever a broken pickle makes its reader raise
        raise MferError(
            f"refused {path}: it holds more than tensors, or is broken; convert it to safetensors"
        ) from error
    if not isinstance(state, dict):
        raise MferError(f"refused {path}: it holds no tensors by name")
    for wrapper in ("state_dict", "model_state_dict", "model"):
        state = state[wrapper] if isinstance(state.get(wrapper), dict) else state
    return state


def _pick(
    state: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], scope_map: list[str]
) -> dict[str, torch.Tensor]:
    """The tensors the model wants, found under the prefixes that checkpoints use ('d2v_model.', 'module.' or
    none).
    """
    prefixes = ["", *(prefix for prefix in scope_map[::2] if str(prefix).lower() != "none"), "module."]
    picked = {}
    for name in wanted:
        source = next((prefix + name for prefix in prefixes if prefix + name in state), None)
        if source is None:
            raise KeyError(f"missing {name}")
        picked[name] = state[source]
    return picked


def write_checkpoint(model: torch.nn.Module, conf: dict, names: list[str], out: Path) -> None:
    """Write the FunASR layout (config.yaml, configuration.json, tokens.txt, weights last); the head's classes
    are ``names`` and <unk>.
    """
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = {
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    }
    with atomic_path(out / "config.yaml") as path:
        YAML(typ="safe", pure=True).dump({"model": "Emotion2vec", "model_conf": conf, **tokenizer}, path)
    metas = {
        "init_param": "model.safetensors",
        "config": "config.yaml",
        "tokenizer_conf": {"token_list": "tokens.txt"},
    }
    write_json(
        out / "configuration.json",
        {"framework": "pytorch", "task": "emotion-recognition", "file_path_metas": metas},
    )
    with atomic_path(out / "tokens.txt") as path:
        path.write_text(
            "\n".join([*(TOKENS.get(name, name) for name in names), "<unk>"]) + "\n", encoding="utf-8"
        )
    with atomic_path(out / "model.safetensors") as path:
        save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
