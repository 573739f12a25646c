"""Emotion2vec's own arithmetic in a layout that costs less: same weights, same results within rounding.

The published front end turns its activations for every layer normalisation and back; kept as [B, T, C], each
convolution is one matrix product over windows of its input. Attention goes through torch's scaled-dot-product
kernel, and in bf16 the weights of the products are converted once instead of in every call (autocast keeps no
copy of frozen weights). In int8 the convolutions are such products too.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention

from mfer_core.encoders.int8 import NARROWEST, add_int8, int8_product

if TYPE_CHECKING:
    from funasr.models.emotion2vec.fairseq_modules import ConvFeatureExtractionModel
    from funasr.models.emotion2vec.model import Emotion2vec
    from funasr.models.emotion2vec.modules import AltAttention


def speed_up(model: "Emotion2vec", precision: str) -> None:
    """Change an Emotion2vec in evaluation mode in place. Its parameters keep their names; in bf16 some change
    their type.
    """
    audio = model.modality_encoders["AUDIO"]
    if audio.get_alibi_bias is not None:
        audio.get_alibi_bias = partial(_for_any_batch, audio.get_alibi_bias)
    if audio.modality_cfg.extractor_mode == "layer_norm":
        audio.local_encoder.forward = partial(_front, audio.local_encoder)
        if precision == "int8":
            _convolve_in_int8(audio.local_encoder)
    for block in (*audio.context_encoder.blocks, *model.blocks):
        if not block.attn.cosine_attention:
            block.attn.forward = partial(_attend, block.attn)
    if precision == "bf16":
        for module in model.modules():
            if isinstance(module, nn.Linear | nn.Conv1d) and module is not model.proj:
                module.to(torch.bfloat16)


def _for_any_batch(alibi_bias: Callable[..., Tensor], batch_size: int, **shape: object) -> Tensor:
    """[1, heads, T, T]: the same for each clip. The published code keeps one per clip of the largest batch at
    the longest T.
    """
    return alibi_bias(batch_size=1, **shape)


def _front(encoder: "ConvFeatureExtractionModel", samples: Tensor) -> Tensor:
    """[B, C, T] (a view of [B, T, C]) of [B, N] samples."""
    values = samples[:, :, None]  # [B, N, 1]
    for conv, _, norm, _ in encoder.conv_layers:
        values = _convolve(values, conv)  # [B, T, C]
        norm = norm[1]
        values = gelu(layer_norm(values, norm.normalized_shape, norm.weight, norm.bias, norm.eps))
    return values.transpose(1, 2)


def _convolve(values: Tensor, conv: nn.Conv1d) -> Tensor:
    """A convolution without padding, of [B, T, C]: each window of the input is a row of a matrix product."""
    (kernel,), (stride,) = conv.kernel_size, conv.stride
    batch, steps, channels = values.shape
    values = values.to(conv.weight.dtype).contiguous()
    shape = (batch, (steps - kernel) // stride + 1, kernel * channels)
    windows = values.as_strided(
        shape, (steps * channels, stride * channels, 1)
    ).contiguous()  # The windows overlap.
    if hasattr(conv, "int8_weight"):
        return int8_product(conv, windows)
    return linear(windows, _as_product(conv), conv.bias)


def _convolve_in_int8(encoder: "ConvFeatureExtractionModel") -> None:
    for conv, *_ in encoder.conv_layers:
        weight = _as_product(conv)
        if weight.shape[1] >= NARROWEST:
            add_int8(conv, weight)


def _as_product(conv: nn.Conv1d) -> Tensor:
    """[C', kernel * C]: its weight, for windows of its input."""
    return conv.weight.transpose(1, 2).reshape(len(conv.weight), -1)


def _attend(
    attention: "AltAttention",
    values: Tensor,
    padding_mask: Tensor | None = None,
    alibi_bias: Tensor | None = None,
) -> Tensor:
    """[B, T, D] -> [B, T, D]; ``padding_mask`` [B, T] marks what is not attended to, ``alibi_bias`` [B or 1,
    heads, T, T] is added.
    """
    batch, steps, dim = values.shape
    query, key, value = (
        attention.qkv(values).view(batch, steps, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    )
    bias = alibi_bias
    if padding_mask is not None:
        hidden = torch.zeros_like(padding_mask, dtype=torch.float32).masked_fill(
            padding_mask.bool(), float("-inf")
        )[:, None, None]
        bias = hidden if bias is None else bias + hidden
    dropped = attention.attn_drop.p if attention.attn_drop.training else 0.0
    mask = None if bias is None else bias.to(query.dtype)
    attended = scaled_dot_product_attention(query, key, value, mask, dropped, scale=attention.scale)
    return attention.proj_drop(attention.proj(attended.transpose(1, 2).reshape(batch, steps, dim)))
