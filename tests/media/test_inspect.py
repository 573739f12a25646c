"""An extracted clip can be looked at."""

import cv2
import pandas as pd
import pytest

from mfer_core.base.errors import MferError
from mfer_core.cache.shards import partition
from mfer_core.media.extract import extract_keys, extract_shard
from mfer_core.media.inspect import inspect_clip
from tests.media.recordings import face_picture, tone, write_clip


@pytest.fixture(scope="module")
def out(tmp_path_factory, settings):
    raw, out = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("out")
    write_clip(raw / "both.mp4", [face_picture((100, 90, 100))] * 25, range(0, 1000, 40), tone(1.0))
    write_clip(raw / "video.mp4", [face_picture((100, 90, 100))] * 2, [0, 40])
    write_clip(raw / "sound.wav", sound=tone(0.5))
    (raw / "broken.wav").write_bytes(b"nothing")
    manifest = pd.DataFrame(
        [
            {"clip_id": f"c/{path.stem}", "path": path.name, "sha256": path.stem}
            for path in sorted(raw.iterdir())
        ]
    )
    for shard in partition(extract_keys(manifest, settings), 64):
        extract_shard(shard, manifest, raw, out, settings)
    return out


@pytest.mark.parametrize("name", ["both", "video", "sound", "broken"])
def test_every_kind_of_clip_is_drawn(out, tmp_path, name):
    facts = inspect_clip(out, f"c/{name}", tmp_path / "clip.png")
    assert facts["clip_id"] == f"c/{name}"
    assert cv2.imread(str(tmp_path / "clip.png")).std() > 5


def test_an_unknown_clip_is_named_with_an_example(out, tmp_path):
    with pytest.raises(MferError, match=r"no clip 'c/none'.*'c/"):
        inspect_clip(out, "c/none", tmp_path / "clip.png")


def test_a_corpus_that_was_not_extracted_is_named(out, tmp_path):
    with pytest.raises(MferError, match="run the stage"):
        inspect_clip(out / "other", "other/a", tmp_path / "clip.png")
