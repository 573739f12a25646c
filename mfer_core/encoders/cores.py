"""Clips through an encoder on all cores of a machine without a GPU: a thread takes a clip and computes on one
core.

So the values of a clip do not depend on how many cores there are, as they may where several share one
product; and small products, which leave other cores idle, keep all of them busy.
"""

import copy
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

import torch

from mfer_core.encoders.contract import Encoder
from mfer_core.encoders.device import one_thread

MOST = 4
Item = TypeVar("Item")
Result = TypeVar("Result")
EncoderType = TypeVar("EncoderType", bound=Encoder)


def on_cores(
    run: Callable[[EncoderType, Item], Result], encoders: Sequence[EncoderType], items: Iterable[Item]
) -> Iterator[Result]:
    """Yield ``run(encoder, item)`` of each item, in order, computed by as many threads as there are
    ``encoders``, which are ``twins``.

    The items are taken from here, at most one more than there are threads in advance. Raises what ``run``
    raises, in the place of its result.
    """
    threads, free = len(encoders), SimpleQueue[EncoderType]()
    for encoder in encoders:
        free.put(encoder)

    def compute(item: Item) -> Result:
        one = free.get()
        try:
            return run(one, item)
        finally:
            free.put(one)

    coming: deque[Future[Result]] = deque()
    with one_thread(), ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for item in items:
            coming.append(pool.submit(compute, item))
            if len(coming) > threads:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def threads_for(device: torch.device) -> int:
    """How many threads share a recording: the cores that this process may use, ``MOST`` at most, since each
    holds a batch; one for a GPU.
    """
    if device.type != "cpu":
        return 1
    allowed = getattr(os, "sched_getaffinity", None)  # not on macOS
    return min(MOST, len(allowed(0)) if allowed else os.cpu_count() or 1)


def twins(encoder: EncoderType, count: int) -> list[EncoderType]:
    """The encoder ``count`` times, for as many threads: the same weights in the same memory, and a state of
    its own each, which a model keeps in the midst of a forward pass.
    """
    weights = (*encoder.model.parameters(), *encoder.model.buffers())
    others = (copy.deepcopy(encoder, {id(value): value for value in weights}) for _ in range(count - 1))
    return [encoder, *others]
