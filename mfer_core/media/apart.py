"""Clips extracted in a process of their own (see base.workers)."""

from pathlib import Path

from mfer_core.base.settings import Extract
from mfer_core.base.workers import Workers
from mfer_core.media.result import ExtractedClip

GRACE_S = 10.0  # beyond clip_time_limit_s, within which the extraction itself gives up and says where


class ClipProcess:
    """Extracts clips one after the other in another process. Use as a context manager, from one thread."""

    def __init__(self, settings: Extract, threads: int):
        self._settings, self._threads = settings, threads
        self._workers = Workers(1, "mfer_core.media.clip", set_threads, (threads,))

    def __enter__(self) -> "ClipProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.stop()

    def extract(self, path: Path) -> ExtractedClip:
        """What ``clip.extract_clip`` gives or raises, and what ``Workers.call`` raises where it never came back."""
        limit_s = self._settings.clip_time_limit_s + GRACE_S
        return self._workers.call(_extract, path, self._settings, self._threads, limit_s=limit_s)


def set_threads(threads: int) -> None:
    """How many threads the decoder's helpers take in this process."""
    import cv2
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)


def _extract(path: Path, settings: Extract, threads: int) -> ExtractedClip:
    from mfer_core.media.clip import extract_clip

    return extract_clip(path, settings, threads)
