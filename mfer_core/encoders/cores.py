"""Clips through an encoder on all cores of a machine without a GPU: a thread takes a clip and computes on one
core.

So the values of a clip do not depend on how many cores there are, as they may where several share one
product; and small products, which leave other cores idle, keep all of them busy.
"""

import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

import torch

from mfer_core.encoders.contract import Encoder
from mfer_core.encoders.device import one_thread

Item = TypeVar("Item")
Result = TypeVar("Result")
EncoderType = TypeVar("EncoderType", bound=Encoder)


def on_cores(
    run: Callable[[EncoderType, Item], Result], encoder: EncoderType, items: Iterable[Item], threads: int
) -> Iterator[Result]:
    """Yield ``run(encoder, item)`` of each item, in order, computed by so many ``threads``.

    The items are taken from here, at most one more than there are threads in advance. Raises what ``run``
    raises, in the place of its result.
    """
    free: SimpleQueue[EncoderType] = SimpleQueue()
    for each in [encoder, *(twin(encoder) for _ in range(threads - 1))]:
        free.put(each)

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


def twin(encoder: EncoderType) -> EncoderType:
    """The encoder for another thread: the same weights in the same memory, and a state of its own, which a
    model keeps in the midst of a forward pass.
    """
    weights = (*encoder.model.parameters(), *encoder.model.buffers())
    return copy.deepcopy(encoder, {id(value): value for value in weights})
