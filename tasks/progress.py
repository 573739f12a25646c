"""Progress of the long loops as Prefect artifacts: every loop that `mfer_core.base.progress.track` follows
has one.
"""

import time
from collections.abc import Coroutine
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from tasks.artifacts import artifact_key

EVERY_S = 5.0


class ProgressArtifacts:
    """Called after each item of a loop; a loop shorter than ``EVERY_S`` gets no artifact, and no loop more
    than one update in it.
    """

    def __init__(self) -> None:
        self._told: dict[str, float] = {}  # title -> the time at which its progress was last shown, or began
        self._artifacts: dict[str, UUID] = {}

    def __call__(self, title: str, done: int, total: int) -> None:
        now, share = time.monotonic(), 100 * done / total
        artifact = self._artifacts.get(title)
        if now - self._told.setdefault(title, now) < EVERY_S and not (artifact and done == total):
            return
        self._told[title] = now
        if artifact:
            update_progress_artifact(artifact, share)
        else:
            key = artifact_key("progress", title)
            made = create_progress_artifact(share, key=key, description=title)
            assert not isinstance(made, Coroutine)  # It is one only inside an event loop.
            self._artifacts[title] = made
