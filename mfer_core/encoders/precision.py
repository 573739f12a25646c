"""Which precision ``auto`` means on this machine: measured, and said."""

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor, nn

from mfer_core.encoders.device import choose_device, one_thread
from mfer_core.encoders.int8 import use_int8

ROWS, INPUTS, OUTPUTS = 256, 768, 3072  # of a product in the middle of ViT-B and of emotion2vec base
MEASURED_S = 0.3  # of each precision
WORTH = 1.5  # times as fast as fp32: for less nobody gives up digits
log = logging.getLogger("mfer")


def choose_precision(precision: str, device: str) -> str:
    """``precision``, with a warning where this processor is slower with it than with fp32; in place of "auto"
    bf16 on a GPU, and on a processor the fastest if it is worth it.

    Raises MferError for a device that is not here.
    """
    on_gpu = choose_device(device).type != "cpu"
    if precision == "auto" and on_gpu:
        log.info("precision auto: bf16, on a GPU")
        return "bf16"
    if precision == "auto":
        return _fastest_here()
    if precision != "fp32" and not on_gpu and (times := times_as_fast([precision])[precision]) < 1:
        slower = "precision %s is %.1f times as slow as fp32 on this processor: auto takes the fastest"
        log.warning(slower, precision, 1 / times)
    return precision


def _fastest_here() -> str:
    times = times_as_fast(("bf16", "int8"))
    fastest = max(times, key=times.__getitem__)
    chosen = fastest if times[fastest] >= WORTH else "fp32"
    measured = ", ".join(f"{name} {as_fast:.1f}" for name, as_fast in times.items())
    log.info("precision auto: %s on this processor (times as fast as fp32: %s)", chosen, measured)
    return chosen


@torch.inference_mode()
def times_as_fast(precisions: Iterable[str]) -> dict[str, float]:
    """As fp32, is a product on one core in each of these."""
    values = torch.randn(ROWS, INPUTS)
    with one_thread():
        exact = _fastest(partial(_product(), values))
        return {name: exact / _fastest(_product_in(name, values)) for name in precisions}


def _product_in(precision: str, values: Tensor) -> Callable[[], object]:
    product = _product()
    if precision == "bf16":
        return partial(product.bfloat16(), values.bfloat16())
    use_int8(product)
    return partial(product, values)


def _product() -> nn.Linear:
    return nn.Linear(INPUTS, OUTPUTS).eval()


def _fastest(way: Callable[[], object]) -> float:
    """Seconds of the fastest call; the first one also prepares the kernel."""
    fastest, end = float("inf"), time.perf_counter() + MEASURED_S
    while (started := time.perf_counter()) < end:
        way()
        fastest = min(fastest, time.perf_counter() - started)
    return fastest
