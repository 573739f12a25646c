"""Device and precision of an encoder, batches that fit the memory, and the way onto a GPU."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor, nn

from mfer_core.base.errors import MferError
from mfer_core.encoders.int8 import use_int8

Items = TypeVar("Items", Sequence, torch.Tensor)  # what can be counted and cut in two
Result = TypeVar("Result")
Model = TypeVar("Model", bound=nn.Module)
BATCH_GIB = 1.0  # Working memory beside the weights.


def choose_device(name: str, fold: int = 0) -> torch.device:
    """``auto`` takes CUDA when there is one. Folds are spread over several GPUs by their number, unless one
    is named.

    Raises MferError for a device that is not here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise MferError(f"unknown device {name!r}: use auto, cpu, cuda or cuda:N") from error
    if device.type != "cuda":
        return device
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= count:
        raise MferError(
            f"device {name!r} is not available here ({count} GPUs): use auto, cpu or another number"
        )
    return torch.device("cuda", fold % count if device.index is None else device.index)


def placed(model: Model, device: torch.device, precision: str) -> Model:
    """``model`` on ``device``, with products in int8 where that is its ``precision``.

    Raises MferError for int8 on a GPU.
    """
    if precision == "int8" and device.type != "cpu":
        raise MferError("precision int8 is for processors: on a GPU take bf16")
    # transformers' types take the wrapped method for one that is not bound.
    model.to(device)
    if precision == "int8":
        use_int8(model)
    return model


@contextmanager
def exact_products() -> Iterator[None]:
    """IEEE products in fp32 (no TF32) by deterministic kernels, on a GPU too."""
    backend = torch.backends.cudnn
    with backend.flags(enabled=backend.enabled, benchmark=False, deterministic=True, allow_tf32=False):
        yield


@contextmanager
def inference(device: torch.device, precision: str) -> Iterator[None]:
    """No gradients; ``bf16`` autocasts; ``fp32``, and what ``int8`` leaves of it, means exact products."""
    on_gpu = device.type != "cpu"
    with (
        torch.inference_mode(),
        torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"),
        # One process's setting, not a thread's, so that threads on a processor leave it alone.
        exact_products() if on_gpu else nullcontext(),
    ):
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Train a compact model on one core: the same bytes on any number of cores, and two such stages can share
    a machine.

    Their products are so small that more threads gain little alone, and wait for each other when the cores
    are busy.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def items_within(gib: float, item_bytes: float) -> int:
    """How many items of ``item_bytes`` working memory a batch of ``gib`` holds; at least one."""
    return max(1, int(gib * 2**30 / item_bytes))


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """``values`` on ``device``; to a GPU from pinned memory, so that the GPU goes on computing during the
    transfer.
    """
    if values.device == device or device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def in_halves(run: Callable[[Items], list[Result]], items: Items) -> list[Result]:
    """``run(items)``; when memory runs out, the items are halved until each part fits. Raises MferError when
    a single item does not fit.
    """
    try:
        return run(items)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        if len(items) == 1:
            raise MferError(
                "one clip or frame alone does not fit the memory: use another device or bf16"
            ) from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = len(items) // 2
    return in_halves(run, items[:middle]) + in_halves(run, items[middle:])


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
