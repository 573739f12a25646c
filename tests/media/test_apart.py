"""A clip that hangs or crashes in C code costs itself; what is not its fault is said."""

import os
from pathlib import Path

import pandas as pd
import pytest

from mfer_core.base.errors import ClipError
from mfer_core.base.paths import DataPaths
from mfer_core.cache.shards import partition
from mfer_core.media import apart
from mfer_core.media.apart import ClipProcess
from mfer_core.media.extract import extract_keys, extract_shard, finish_extract
from tests.media.recordings import tone, write_clip


@pytest.fixture
def hanging(tmp_path) -> Path:
    """A playlist that names a pipe into which nobody writes: FFmpeg opens it and never comes back."""
    os.mkfifo(tmp_path / "pipe.mp4")
    path = tmp_path / "hanging.mp4"
    path.write_text("ffconcat version 1.0\nfile pipe.mp4\n")
    return path


def test_a_clip_that_hangs_is_a_reject_and_the_shard_goes_on(tmp_path, hanging, settings, monkeypatch):
    monkeypatch.setattr(apart, "GRACE_S", 0.2)
    write_clip(tmp_path / "sound.wav", sound=tone(0.2))
    settings = settings.model_copy(update={"clip_time_limit_s": 1.0})
    manifest = pd.DataFrame(
        [{"clip_id": f"c/{name}", "path": name, "sha256": name} for name in ("hanging.mp4", "sound.wav")]
    )
    (shard,) = shards = partition(extract_keys(manifest, settings), 10)
    paths = DataPaths(tmp_path / "out")
    counts = extract_shard(shard, manifest, tmp_path, paths.extract("c"), settings)
    assert counts == {"clips": 2, "computed": 2}
    accepted, rejects = finish_extract(shards, manifest, paths, "c")
    assert (accepted, rejects[["path", "reason"]].to_numpy().tolist()) == (1, [["hanging.mp4", "time limit"]])


def test_a_clip_s_reason_comes_back_whole(tmp_path, settings):
    with ClipProcess(settings, 1) as process, pytest.raises(ClipError) as caught:
        process.extract(tmp_path / "none.wav")
    assert (caught.value.reason, caught.value.detail) == ("missing file", str(tmp_path / "none.wav"))
