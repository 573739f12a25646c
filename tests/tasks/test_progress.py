"""The long loops show their progress in Prefect, without a call per item."""

import pytest

from mfer_core.base import progress
from tasks import progress as artifacts


@pytest.fixture
def shown(monkeypatch):
    """What Prefect is told: (key, percent); the clock goes on by one second with each item."""
    told, clock = [], iter(range(1000))
    monkeypatch.setattr(artifacts.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(
        artifacts,
        "create_progress_artifact",
        lambda share, key, description: told.append((key, share)) or key,
    )
    monkeypatch.setattr(artifacts, "update_progress_artifact", lambda key, share: told.append((key, share)))
    monkeypatch.setattr(progress, "_track_log", lambda items, title, total: items)
    monkeypatch.setattr(progress, "observers", [artifacts.ProgressArtifacts()])
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: False, raising=False)
    return told


def test_a_long_loop_is_shown_every_few_seconds_and_at_its_end(shown):
    assert list(progress.track(range(16), "extract crema_d")) == list(range(16))
    assert shown == [("progress-extract-crema-d", share) for share in (37.5, 68.75, 100.0)]


def test_a_short_loop_is_not_shown(shown):
    list(progress.track(range(4), "embed visual urdu"))
    assert shown == []
