"""Silero VAD (https://github.com/snakers4/silero-vad) in a process without torch.

Its sequence front end computes with numpy and onnxruntime alone, but the package around it imports torch,
which would be most of what a decoding process holds. Where torch is not loaded, a bare module that answers
what the package asks while it is imported stands in for it; afterwards both are taken away again, and a real
``import silero_vad`` works as ever.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType

import numpy as np

from mfer_core.cache.schemas import SAMPLE_RATE

PACKAGE = "silero_vad"
Detector = Callable[..., list[dict[str, int]]]
_LOCK = threading.Lock()
_local = threading.local()


def speech_spans(audio: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """First and last sample of each stretch of speech in float32 [N] at 16 kHz."""
    if not hasattr(_local, "detect"):
        _local.detect = _load()
    spans = _local.detect(audio, threshold=threshold, sampling_rate=SAMPLE_RATE)
    return [(span["start"], span["end"]) for span in spans]


def _load() -> Detector:
    """A detector for the calling thread."""
    with _LOCK, _threads_as_they_were() if "torch" in sys.modules else _stand_in_for_torch():
        from silero_vad import get_speech_timestamps_sequence, load_silero_vad

        # The sequence model gives the stock model's probabilities, without state between clips.
        return partial(get_speech_timestamps_sequence, model=load_silero_vad(sequence=True))


@contextmanager
def _threads_as_they_were() -> Iterator[None]:
    """The package sets torch to one thread for the whole process."""
    import torch

    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _stand_in_for_torch() -> Iterator[None]:
    """The package names a type of torch in annotations and one of its decorators, and sets its threads."""
    torch = ModuleType("torch")
    answers = {
        "Tensor": object,
        "device": str,
        "no_grad": lambda: lambda function: function,
        "set_num_threads": lambda number: None,
    }
    vars(torch).update(answers)
    sys.modules["torch"] = torch
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] in ("torch", PACKAGE)]:
            del sys.modules[name]
