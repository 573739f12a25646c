"""torch.nn.GRU on the CPU: the same weights and formulas, with a backward pass of few, large products.

torch's own adds an outer product to the recurrent weights' gradient at every step. Here the steps only pass the
gradient back in time, and the weights' gradients are one product over all steps.
"""

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable


class _Layer(Function):
    """One layer, time first: x [T, B, D] -> hidden states [T, B, H], gates in torch's order: reset, update, new.

    Under autocast the products' factors are rounded (to bf16); gates, states and gradients of weights stay float32.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
    ) -> Tensor:
        low = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        steps, size = len(x), w_hh.shape[1]
        x, w_ih, w_hh, bias = x.to(low), w_ih.to(low), w_hh.to(low), b_hh.to(low)
        gates = torch.addmm(b_ih.to(low), x.flatten(0, 1), w_ih.T).to(b_ih.dtype).view(steps, -1, 3 * size)
        added = torch.empty_like(gates, dtype=low)  # what the states add to the gates' inputs
        states = b_ih.new_zeros(steps + 1, gates.shape[1], size)  # the first is the start
        parts = gates[..., : 2 * size], gates[..., 2 * size :], added, states[:-1], states[1:]
        for gate, new, add, before, after in zip(*(part.unbind() for part in parts), strict=True):
            torch.addmm(bias, before.to(low), w_hh.T, out=add)
            gate.add_(add[:, : 2 * size]).sigmoid_()
            new.addcmul_(gate[:, :size], add[:, 2 * size :]).tanh_()
            torch.lerp(new, before, gate[:, size:], out=after)  # (1 - update) * new + update * before
        ctx.save_for_backward(x, w_ih, w_hh, gates, added, states)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor, Tensor]:
        x, w_ih, w_hh, gates, added, states = ctx.saved_tensors
        size, low = grad.shape[2], x.dtype
        reset, update, new = gates.split(size, 2)
        slopes = torch.empty_like(gates)  # of the gates' inputs, per unit of the state's gradient
        slope = (1 - update) * (1 - new * new)
        torch.mul(slope, added[..., 2 * size :] * (reset - reset * reset), out=slopes[..., :size])
        torch.mul(states[:-1] - new, update - update * update, out=slopes[..., size : 2 * size])
        torch.mul(slope, reset, out=slopes[..., 2 * size :])
        down = torch.empty_like(gates)  # gradient of what the states add
        flowing = grad.clone()  # gradient of the states
        parts = flowing, slopes.unflatten(2, (3, size)), down, down.unflatten(2, (3, size)), update
        earlier = torch.zeros_like(grad[0])  # what flows out of the first step is not asked for
        for flow, steep, row, cells, kept, previous in list(
            zip(*(part.unbind() for part in parts), [earlier, *flowing.unbind()[:-1]], strict=True)
        )[::-1]:
            torch.mul(flow.unsqueeze(1), steep, out=cells)
            previous.addcmul_(flow, kept).add_(row.to(low) @ w_hh)
        flat = down.flatten(0, 1)
        grad_w_hh, grad_b_hh = flat.T.to(low) @ states[:-1].flatten(0, 1).to(low), flat.sum(0)
        torch.mul(flowing, slope, out=down[..., 2 * size :])  # from here on: gradient of what the input adds
        rounded = flat.to(low)
        grad_x = (rounded @ w_ih).view_as(x) if ctx.needs_input_grad[0] else None
        grad_w_ih = rounded.T @ x.flatten(0, 1)
        return grad_x, grad_w_ih.to(grad.dtype), grad_w_hh.to(grad.dtype), flat.sum(0), grad_b_hh


def run_gru(gru: nn.GRU, values: Tensor) -> Tensor:
    """States [B, T, H] of a forward, batch-first GRU without dropout, from ``values`` [B, T, D]; torch's own on other devices."""
    if values.device.type != "cpu":
        return gru(values)[0]
    states = values.transpose(0, 1).contiguous()
    for layer in range(gru.num_layers):
        states = _Layer.apply(
            states,
            *(getattr(gru, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
        )
    return states.transpose(0, 1)
