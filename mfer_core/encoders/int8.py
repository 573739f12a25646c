"""Products of 8-bit whole numbers: a fraction of fp32's time on processors that have them (VNNI, AMX).

Each output channel of a weight and each row of the input (a frame, a token) has a scale of its own, so that
the values of a row do not depend on which others are in its batch. The method: the vector-wise quantisation
of Dettmers et al. 2022, https://arxiv.org/abs/2208.07339, without columns of outliers.
"""

from functools import partial

import torch
from torch import Tensor, nn

LARGEST = 127
NARROWEST = 16  # inputs of a product: fewer, such as the samples of a window, stay exact
BLOCK = 256  # rows at a time, so that what is between input and output stays in the caches


def use_int8(model: nn.Module) -> None:
    """Compute the products of a model in evaluation mode so, from now on.

    Its parameters stay, for whoever reads them; a product that is computed from these elsewhere (WavLM's
    attention) stays exact.
    """
    for module in model.modules():
        if type(module) is nn.Linear and module.in_features >= NARROWEST:
            add_int8(module, module.weight)
            module.forward = partial(int8_product, module)  # type: ignore[method-assign]


def add_int8(module: nn.Module, weight: Tensor) -> None:
    """Give ``module`` its ``weight`` [M, K] in whole numbers too, as buffers that no checkpoint holds."""
    whole, scale = _whole_rows(weight.detach().float())
    module.register_buffer("int8_weight", whole.t(), persistent=False)  # [K, M]
    module.register_buffer("int8_scale", scale.t(), persistent=False)  # [1, M]


def int8_product(module: nn.Linear | nn.Conv1d, values: Tensor) -> Tensor:
    """[..., M] of ``values`` [..., K], by the weight that ``add_int8`` has given the module, and its bias."""
    weight, scale = module.get_buffer("int8_weight"), module.get_buffer("int8_scale")
    rows = values.reshape(-1, values.shape[-1])
    product = rows.new_empty(len(rows), weight.shape[1])
    bias = rows.new_zeros(()) if module.bias is None else module.bias
    for part, into in zip(rows.split(BLOCK), product.split(BLOCK), strict=True):
        whole, of_rows = _whole_rows(part)
        torch.mul(torch._int_mm(whole, weight), of_rows, out=into)
        torch.addcmul(bias, into, scale, out=into)
    return product.view(*values.shape[:-1], weight.shape[1])


def _whole_rows(values: Tensor) -> tuple[Tensor, Tensor]:
    """int8 [N, K] and [N, 1], whose product is nearly ``values`` [N, K]."""
    scale = values.abs().amax(1, keepdim=True).clamp_(min=torch.finfo().tiny) / LARGEST
    return (values / scale).round_().to(torch.int8), scale
