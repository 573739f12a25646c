"""Products in whole numbers, whose rows stand for themselves; and which precision "auto" takes."""

import logging

import numpy as np
import pytest
import torch
from torch import nn

from mfer_core.base.errors import MferError
from mfer_core.encoders import precision
from mfer_core.encoders.device import placed
from mfer_core.encoders.int8 import BLOCK, use_int8
from mfer_core.encoders.precision import choose_precision
from mfer_core.encoders.vit import load_vit

CPU = torch.device("cpu")


def product(inputs=48, outputs=40, bias=True):
    torch.manual_seed(3)
    return nn.Linear(inputs, outputs, bias=bias).eval()


@pytest.mark.parametrize("bias", [True, False])
@torch.no_grad()
def test_whole_numbers_are_off_by_what_their_steps_are(bias):
    exact, whole = product(bias=bias), placed(product(bias=bias), CPU, "int8")
    values = torch.randn(3, 5, 48) * torch.logspace(-6, 6, 15).view(3, 5, 1)
    # Each of the 48 summands has two factors, each off by half a step of 127 to its largest.
    largest = values.abs().amax(2, keepdim=True) * exact.weight.abs().amax(1)
    assert ((whole(values) - exact(values)).abs() < 48 * largest / 127).all()
    assert not torch.equal(whole(values), exact(values))
    assert torch.equal(whole(torch.zeros(1, 48)), exact(torch.zeros(1, 48)))
    assert whole(values[:0]).shape == (0, 5, 40)


@torch.no_grad()
def test_a_row_does_not_depend_on_those_beside_it():
    whole = placed(product(), CPU, "int8")
    values = torch.randn(2 * BLOCK + 1, 48)
    values[7] *= 1000
    together = whole(values)
    assert all(
        torch.equal(together[row], whole(values[row : row + 1])[0]) for row in (0, 6, 8, BLOCK, 2 * BLOCK)
    )


def test_a_clips_faces_do_not_depend_on_those_beside_them(vit_folder, random):
    faces = load_vit(str(vit_folder), None, "cpu", "int8")
    images = [random.integers(0, 256, (40, 40), np.uint8) for _ in range(9)]
    together = faces.embed(images)
    np.testing.assert_allclose(together[4:5], faces.embed(images[4:5]), atol=1e-6)


def test_weights_stay_and_what_is_stored_is_the_same():
    exact, whole = product(), product()
    use_int8(whole)
    assert whole.state_dict().keys() == exact.state_dict().keys()
    assert torch.equal(whole.weight, exact.weight)


def test_int8_on_a_gpu_is_refused_before_anything_goes_there():
    with pytest.raises(MferError, match="on a GPU take bf16"):
        placed(product(), torch.device("cuda"), "int8")


@pytest.mark.parametrize(
    ("times", "chosen"),
    [((1.2, 1.4), "fp32"), ((2.4, 0.8), "bf16"), ((2.4, 4.9), "int8"), ((0.1, 1.6), "int8")],
)
def test_auto_takes_the_fastest_that_is_worth_it_and_says_so(times, chosen, monkeypatch, caplog):
    monkeypatch.setattr(precision, "times_as_fast", lambda names: dict(zip(names, times, strict=True)))
    with caplog.at_level(logging.INFO, "mfer"):
        assert choose_precision("auto", "cpu") == chosen
    assert caplog.messages == [
        f"precision auto: {chosen} on this processor (times as fast as fp32: "
        f"bf16 {times[0]}, int8 {times[1]})"
    ]


def test_what_is_named_is_taken_and_warned_of_where_it_is_slow(monkeypatch, caplog):
    times = {"bf16": 0.02, "int8": 4.5}
    monkeypatch.setattr(precision, "times_as_fast", lambda names: {name: times[name] for name in names})
    assert [choose_precision(name, "cpu") for name in ("fp32", *times)] == ["fp32", *times]
    assert caplog.messages == [
        "precision bf16 is 50.0 times as slow as fp32 on this processor: auto takes the fastest"
    ]


def test_a_product_is_measured_in_each_way(monkeypatch):
    monkeypatch.setattr(precision, "MEASURED_S", 0.01)
    monkeypatch.setattr(precision, "ROWS", 2)
    assert all(0 < times < float("inf") for times in precision.times_as_fast(("bf16", "int8")).values())
