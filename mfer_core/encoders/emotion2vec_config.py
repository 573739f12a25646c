"""The configuration of an Emotion2vec: as published, read from an untrusted folder, and a compact one."""

import ast
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from mfer_core.base.errors import MferError, one_line
from mfer_core.base.settings.reading import parse_yaml

Layers = list[tuple[int, int, int]]  # channels, kernel, stride of each convolution of the front end
PUBLISHED_LAYERS: Layers = [(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512, 2, 2)] * 2
# What every Emotion2vec has alike in its published configuration; model_conf adds what sets its size.
PUBLISHED_AUDIO: dict[str, Any] = {
    "type": "AUDIO", "extractor_mode": "layer_norm", "decoder": None, "local_grad_mult": 1.0,
    "prenet_layerdrop": 0.0, "prenet_dropout": 0.1, "start_drop_path_rate": 0.0, "end_drop_path_rate": 0.0,
    "num_extra_tokens": 10, "init_extra_token_zero": True,
    "mask_noise_std": 0.01, "mask_prob": 0.5, "mask_prob_min": None, "mask_length": 5, "inverse_mask": False,
    "mask_dropout": 0.0, "keep_masked_pct": 0.0, "encoder_zero_mask": True, "mask_channel_prob": 0.0,
    "mask_channel_length": 64, "add_masks": False,
    "use_alibi_encoder": True, "alibi_scale": 1.0, "learned_alibi": False, "learned_alibi_scale": True,
    "learned_alibi_scale_per_head": True, "learned_alibi_scale_per_layer": False,
    "conv_pos_width": 95, "conv_pos_depth": 5, "conv_pos_pre_ln": False,
}  # fmt: skip
PUBLISHED_CONF: dict[str, Any] = {
    "mlp_ratio": 4.0, "normalize": True, "layer_norm_first": False, "norm_eps": 1e-5, "norm_affine": True,
    "end_of_block_targets": False, "layerdrop": 0.0, "start_drop_path_rate": 0.0, "end_drop_path_rate": 0.0,
    "encoder_dropout": 0.1, "attention_dropout": 0.1, "post_mlp_drop": 0.1, "activation_dropout": 0.0,
    "dropout_input": 0.0, "loss_beta": 0.0, "loss_scale": None, "clone_batch": 8,
}  # fmt: skip


def parse_layers(spec: str) -> Layers:
    """Read ``feature_encoder_spec`` ('[(512, 10, 5)] + [(512, 3, 2)] * 4') without evaluating it.

    FunASR passes this string to ``eval``. Only lists of three positive integers, ``+`` and ``*`` are
    accepted; anything else raises MferError.
    """
    try:
        layers = _layers(ast.parse(spec, mode="eval").body)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise MferError(
            f"feature_encoder_spec is not a list of (channels, kernel, stride): {spec[:80]!r}"
        ) from error
    if not 1 <= len(layers) <= 32:
        raise MferError(f"feature_encoder_spec has {len(layers)} layers: expected 1 to 32")
    return layers


def _layers(node: ast.expr) -> Layers:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _layers(node.left) + _layers(node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        times = ast.literal_eval(node.right)
        if type(times) is not int or not 1 <= times <= 32:
            raise ValueError("repetition")
        return _layers(node.left) * times
    triples = [tuple(triple) for triple in ast.literal_eval(node)]
    if not all(
        len(triple) == 3 and all(type(number) is int and 0 < number <= 4096 for number in triple)
        for triple in triples
    ):
        raise ValueError("triple")
    return triples


def receptive_field(layers: Layers) -> int:
    """Samples that one frame sees (400 as published)."""
    field = 1
    for _, kernel, stride in reversed(layers):
        field = (field - 1) * stride + kernel
    return field


def hop(layers: Layers) -> int:
    """Samples from frame to frame (320 as published: 50 frames per second)."""
    product = 1
    for _, _, stride in layers:
        product *= stride
    return product


def frame_count(samples: int, layers: Layers) -> int:
    """Frames of a waveform of at least one receptive field."""
    return (samples - receptive_field(layers)) // hop(layers) + 1


def model_conf(
    dim: int,
    depth: int,
    prenet: int,
    heads: int,
    layers: Layers,
    pos_groups: int = 16,
) -> dict[str, Any]:
    """``model_conf`` as published (base: 768, 8, 4, 12, PUBLISHED_LAYERS), without the decoder that features
    do not use.
    """
    audio = PUBLISHED_AUDIO | {
        "prenet_depth": prenet,
        "num_alibi_heads": heads,
        "model_depth": depth,
        "feature_encoder_spec": repr(layers),
        "conv_pos_groups": pos_groups,
    }
    return PUBLISHED_CONF | {
        "embed_dim": dim,
        "depth": depth,
        "num_heads": heads,
        "average_top_k_layers": depth,
        "modalities": {"audio": audio},
    }


def read_config(folder: Path) -> dict[str, Any]:
    """config.yaml of a FunASR folder as plain values; its layer list is parsed and written back as a literal.

    Raises MferError for a file that is missing, not YAML, not an Emotion2vec's, or that holds interpolations.
    """
    path = folder / "config.yaml"
    try:
        text = path.read_text(encoding="utf-8")
        config = parse_yaml(text, path, YAML(typ="safe", pure=True))
        audio = config["model_conf"]["modalities"]["audio"]
        if config.get("model") != "Emotion2vec" or "${" in text:
            raise KeyError("model: Emotion2vec without ${...}")
        audio["feature_encoder_spec"] = repr(parse_layers(str(audio["feature_encoder_spec"])))
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise MferError(f"{path} is not the configuration of an Emotion2vec: {one_line(error)}") from error
    audio["decoder"] = None  # Only pretraining uses the decoder.
    return config


def layers_of(config: dict[str, Any]) -> Layers:
    return parse_layers(config["model_conf"]["modalities"]["audio"]["feature_encoder_spec"])


def read_tokens(folder: Path) -> list[str]:
    """The label names of tokens.txt in class order ('生气/angry' gives 'angry'); [] where the checkpoint
    has no head.
    """
    path = folder / "tokens.txt"
    if not path.is_file():
        return []
    return [
        line.strip().rsplit("/", 1)[-1] for line in path.read_text(encoding="utf-8").rstrip().splitlines()
    ]
