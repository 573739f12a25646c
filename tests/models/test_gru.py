"""The GRU on the CPU against torch's: states, gradients, rounding."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.autograd import gradcheck

from mfer_core.models.gru import run_gru


def make(dim, hidden, layers, batch, steps, dtype=torch.float32):
    torch.manual_seed(dim + steps)
    return nn.GRU(dim, hidden, layers, batch_first=True, dtype=dtype), torch.randn(
        batch, steps, dim, dtype=dtype, requires_grad=True
    )


def outcome(run, gru, values):
    """States and all gradients of a loss that reads every step."""
    states = run(gru, values)
    weights = torch.linspace(-1, 1, states[0].numel()).view_as(states[0])
    return [
        states,
        *torch.autograd.grad(
            (states * weights).sum() + states[:, -1].square().sum(), [values, *gru.parameters()]
        ),
    ]


@settings(max_examples=25, deadline=None)
@given(*(st.integers(1, top) for top in (6, 7, 3, 4, 9)))
def test_states_and_gradients_are_those_of_torch(dim, hidden, layers, batch, steps):
    gru, values = make(dim, hidden, layers, batch, steps)
    for ours, theirs in zip(
        outcome(run_gru, gru, values), outcome(lambda gru, values: gru(values)[0], gru, values), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_gradients_are_those_of_the_formulas():
    gru, values = make(3, 4, 2, 2, 5, torch.float64)
    assert gradcheck(lambda values, *_: run_gru(gru, values), (values, *gru.parameters()))


def test_rounded_products_stay_near_and_leave_weights_in_full_precision():
    gru, values = make(32, 24, 2, 4, 20)
    exact = outcome(run_gru, gru, values)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = outcome(run_gru, gru, values)
    for near, full in zip(rounded, exact, strict=True):
        assert near.dtype == torch.float32
        assert not torch.equal(near, full)
        assert torch.linalg.norm(near - full) < 0.03 * torch.linalg.norm(full)


@pytest.mark.parametrize("inference", [torch.no_grad, torch.inference_mode])
def test_prediction_gives_the_states_of_training(inference):
    gru, values = make(5, 6, 2, 3, 7)
    trained = run_gru(gru, values).detach()
    with inference():
        assert torch.equal(run_gru(gru, values), trained)
