"""Which precision ``auto`` means on this machine: measured, and said."""

import logging
import time
from collections.abc import Callable

import torch
from torch import nn

from mfer_core.encoders.device import choose_device, one_thread
from mfer_core.encoders.int8 import use_int8

ROWS, INPUTS, OUTPUTS = 256, 768, 3072  # of a product in the middle of ViT-B and of emotion2vec base
MEASURED_S = 0.3  # of each precision
WORTH = 1.5  # times as fast as fp32: for less nobody gives up digits
log = logging.getLogger("mfer")


def choose_precision(precision: str, device: str) -> str:
    """``precision``; in place of "auto" bf16 on a GPU, and on a processor the fastest if it is worth it.

    Raises MferError for a device that is not here.
    """
    if precision != "auto":
        return precision
    if choose_device(device).type != "cpu":
        log.info("precision auto: bf16, on a GPU")
        return "bf16"
    seconds = product_seconds()
    times = {name: seconds["fp32"] / taken for name, taken in seconds.items()}
    fastest = max(times, key=times.__getitem__)
    chosen = fastest if times[fastest] >= WORTH else "fp32"
    measured = ", ".join(f"{name} {times[name]:.1f}" for name in times if name != "fp32")
    log.info("precision auto: %s on this processor (times as fast as fp32: %s)", chosen, measured)
    return chosen


@torch.inference_mode()
def product_seconds() -> dict[str, float]:
    """Of a product on one core in each precision."""
    values, exact, whole = torch.randn(ROWS, INPUTS), _product(), _product()
    use_int8(whole)
    half, half_values = _product().bfloat16(), values.bfloat16()
    ways: dict[str, Callable[[], object]] = {
        "fp32": lambda: exact(values),
        "bf16": lambda: half(half_values),
        "int8": lambda: whole(values),
    }
    with one_thread():
        return {name: _fastest(way) for name, way in ways.items()}


def _product() -> nn.Linear:
    return nn.Linear(INPUTS, OUTPUTS).eval()


def _fastest(way: Callable[[], object]) -> float:
    way()  # The first one also prepares the kernel.
    fastest, end = float("inf"), time.perf_counter() + MEASURED_S
    while time.perf_counter() < end:
        started = time.perf_counter()
        way()
        fastest = min(fastest, time.perf_counter() - started)
    return fastest
