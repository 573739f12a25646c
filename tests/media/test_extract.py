"""The stage over shards: nothing twice, nothing half, nothing lost."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mfer_core.base.errors import MferError
from mfer_core.base.files import sha256_file
from mfer_core.base.paths import DataPaths
from mfer_core.cache.shards import partition
from mfer_core.media import extract
from mfer_core.media.extract import extract_keys, extract_shard, finish_extract
from mfer_core.media.extracted import ExtractedShards, open_extracted
from tests.media.recordings import face_picture, numbered, tone, write_clip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Eight clips: six of sound, one of a face with sound, one that is no media."""
    folder = tmp_path_factory.mktemp("corpus")
    for number in range(6):
        write_clip(folder / f"sound{number}.wav", sound=tone(0.1 + number / 100))
    write_clip(folder / "video.mp4", [face_picture((100, 90, 100))] * 10, range(0, 400, 40), tone(0.4))
    (folder / "broken.wav").write_bytes(b"not a recording")
    return folder


@pytest.fixture
def raw(corpus, tmp_path) -> Path:
    """A copy of the corpus that a test may change."""
    return Path(shutil.copytree(corpus, tmp_path / "raw"))


@pytest.fixture(scope="module")
def undisturbed(corpus, settings, tmp_path_factory) -> Path:
    """What an undisturbed run over the corpus leaves; a test copies what it goes on from."""
    out = tmp_path_factory.mktemp("undisturbed")
    assert run(corpus, out, settings) == {"clips": 8, "computed": 8, "rejected": 1, "accepted": 7}
    return out


def manifest_of(raw: Path) -> pd.DataFrame:
    rows = [
        {"clip_id": f"c/{path.stem}", "path": path.name, "sha256": sha256_file(path)}
        for path in sorted(raw.iterdir())
    ]
    return pd.DataFrame(rows)


def run(raw, out, settings, shard_clips=2, manifest=None) -> dict[str, int]:
    """All shards of a corpus, one after the other; returns summed counts and how many were accepted."""
    manifest = manifest_of(raw) if manifest is None else manifest
    shards, paths = partition(extract_keys(manifest, settings), shard_clips), DataPaths(out)
    counts = [extract_shard(shard, manifest, raw, paths.extract("c"), settings) for shard in shards]
    accepted, rejects = finish_extract(shards, manifest, paths, "c")
    assert accepted + len(rejects) == len(manifest)
    return pd.DataFrame(counts).sum().to_dict() | {"accepted": accepted, "rejected": len(rejects)}


def contents(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()
    }


def test_every_clip_ends_as_a_result_or_as_a_reject(undisturbed):
    rejects = pd.read_parquet(undisturbed / "extract" / "c" / "rejects.parquet")
    assert rejects[["corpus", "path", "stage", "reason"]].to_numpy().tolist() == [
        ["c", "broken.wav", "extract", "unreadable"]
    ]
    extracted = open_extracted(undisturbed / "extract" / "c")
    assert set(extracted.keys("visual")) == {"c/video"}
    assert set(extracted.keys("audio")) == {"c/video", *(f"c/sound{n}" for n in range(6))}
    assert len(extracted.frames("c/video").images) == 2
    assert len(extracted.speech("c/sound3", 3.0).waveform) == 2080


def test_what_is_there_is_not_computed_again(tmp_path, raw, settings, undisturbed):
    shutil.copytree(undisturbed, tmp_path / "out")
    assert run(raw, tmp_path / "out", settings)["computed"] == 0
    assert contents(tmp_path / "out") == contents(undisturbed)


def test_a_changed_clip_touches_one_shard(tmp_path, raw, settings, undisturbed):
    shutil.copytree(undisturbed, tmp_path / "out")
    before = contents(undisturbed)
    write_clip(raw / "sound3.wav", sound=tone(0.3))
    assert run(raw, tmp_path / "out", settings)["computed"] == 1
    after = contents(tmp_path / "out")
    changed = {Path(name).name for name in after if after[name] != before.get(name)}
    assert len(changed) == 1
    run(raw, tmp_path / "clean", settings)
    assert after == contents(tmp_path / "clean")


def test_clips_that_go_and_another_cut_leave_what_a_clean_run_leaves(tmp_path, raw, settings, undisturbed):
    shutil.copytree(undisturbed, tmp_path / "out")
    (raw / "sound1.wav").unlink()
    assert run(raw, tmp_path / "out", settings, shard_clips=100)["computed"] == 0
    run(raw, tmp_path / "clean", settings, shard_clips=100)
    assert contents(tmp_path / "out") == contents(tmp_path / "clean")


@pytest.mark.parametrize("done", [0, 1, 3])
def test_a_run_that_was_killed_goes_on_and_ends_the_same(
    tmp_path, raw, settings, undisturbed, monkeypatch, done
):
    fill, calls = ExtractedShards.fill, []

    def fill_until_killed(self, *arguments):
        calls.append(self.folder)
        if len(calls) > done:
            raise KeyboardInterrupt
        fill(self, *arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ExtractedShards, "fill", fill_until_killed)
        run(raw, tmp_path / "out", settings)
    half = tmp_path / "out" / "extract" / "c" / ".0000-of-0004.1.tmp.parquet"
    half.parent.mkdir(parents=True, exist_ok=True)
    half.write_bytes(b"PAR1")
    again = run(raw, tmp_path / "out", settings)
    shards = partition(extract_keys(manifest_of(raw), settings), 2)
    assert again["accepted"] == 7
    assert again["computed"] == sum(len(shard.keys) for shard in shards[done:])
    assert contents(tmp_path / "out") == contents(undisturbed)


def test_a_corpus_without_clips_is_empty_not_missing(tmp_path, settings):
    manifest = pd.DataFrame({"clip_id": [], "path": [], "sha256": []})
    accepted, rejects = finish_extract([], manifest, DataPaths(tmp_path), "c")
    assert (accepted, len(rejects)) == (0, 0)
    extracted = open_extracted(tmp_path / "extract" / "c")
    assert extracted.keys("visual") == extracted.keys("audio") == {}


def test_what_an_earlier_version_left_is_named_and_then_removed(tmp_path, raw, settings, undisturbed):
    for name in ("frames", "waveforms", "clips"):
        (tmp_path / "out" / "extract" / name / "c").mkdir(parents=True)
    with pytest.raises(MferError, match="earlier version: run extract again for c"):
        open_extracted(tmp_path / "out" / "extract" / "c")
    shutil.copytree(undisturbed, tmp_path / "out", dirs_exist_ok=True)
    assert run(raw, tmp_path / "out", settings)["computed"] == 0
    assert not list((tmp_path / "out" / "extract").glob("*/c"))


def test_shards_side_by_side_give_the_same(tmp_path, raw, settings, undisturbed):
    manifest = manifest_of(raw)
    shards, paths = partition(extract_keys(manifest, settings), 2), DataPaths(tmp_path / "out")
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(lambda shard: extract_shard(shard, manifest, raw, paths.extract("c"), settings), shards)
        )
    finish_extract(shards, manifest, paths, "c")
    assert contents(tmp_path / "out") == contents(undisturbed)


def test_the_key_holds_content_and_what_shapes_the_rows_and_nothing_else(raw, settings):
    manifest = manifest_of(raw)
    keys = extract_keys(manifest, settings)
    other = {"rejects_limit": 0.9, "vad_min_clip_s": 1.0}
    assert extract_keys(manifest, settings.model_copy(update=other)) == keys
    for name, value in {
        "frames_per_second": 4.0,
        "margin": 0.2,
        "image_format": "png",
        "vad_threshold": 0.4,
        "detect_side": 200,
    }.items():
        assert not set(extract_keys(manifest, settings.model_copy(update={name: value})).values()) & set(
            keys.values()
        )
    changed = extract_keys(manifest.assign(sha256=["other", *manifest.sha256[1:]]), settings)
    assert [clip_id for clip_id in keys if keys[clip_id] != changed[clip_id]] == [manifest.clip_id[0]]


def test_a_fault_that_is_not_the_clip_s_is_not_hidden(tmp_path, raw, settings, monkeypatch):
    def fail(*_, **__):
        raise ValueError("a bug")

    monkeypatch.setattr(extract.Workers, "call", fail)
    with pytest.raises(ValueError, match="a bug"):
        run(raw, tmp_path / "out", settings)


def test_a_clip_that_hangs_is_a_reject_and_the_others_go_on(tmp_path, settings, monkeypatch):
    """A playlist that names a pipe into which nobody writes: FFmpeg opens it and never comes back."""
    monkeypatch.setattr(extract, "GRACE_S", 0.2)
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "hanging.mp4").write_text("ffconcat version 1.0\nfile pipe.mp4\n")
    write_clip(raw / "sound.wav", sound=tone(0.2))
    manifest = manifest_of(raw)
    os.mkfifo(raw / "pipe.mp4")
    settings = settings.model_copy(update={"clip_time_limit_s": 1.0})
    assert run(raw, tmp_path / "out", settings, 10, manifest)["accepted"] == 1
    rejects = pd.read_parquet(DataPaths(tmp_path / "out").extract_rejects("c"))
    assert rejects[["path", "reason"]].to_numpy().tolist() == [["hanging.mp4", "time limit"]]


def test_committed_rows_say_what_became_of_each_clip(tmp_path, raw, settings, undisturbed):
    shutil.copytree(undisturbed, tmp_path / "out")
    write_clip(raw / "quiet.mkv", map(numbered, range(5)), range(0, 200, 40), np.zeros(3200, np.float32))
    run(raw, tmp_path / "out", settings)
    rows = open_extracted(tmp_path / "out" / "extract" / "c").facts
    assert rows.frame_count.to_dict() == {"c/video": 2, "c/quiet": 1, "c/broken": 0} | {
        f"c/sound{n}": 0 for n in range(6)
    }
    assert rows.frames_with_face["c/video"] == 2
    assert rows.peak["c/quiet"] == 0
    assert np.isnan(rows.speech_s["c/quiet"])
    assert rows.duration_s["c/sound0"] == pytest.approx(0.1)


def test_who_asks_for_it_is_told_what_became_of_each_clip(tmp_path, raw, settings, undisturbed, caplog):
    shutil.copytree(undisturbed, tmp_path / "out")
    write_clip(raw / "quiet.mkv", map(numbered, range(5)), range(0, 200, 40), np.zeros(3200, np.float32))
    (raw / "torn.wav").write_bytes(b"RIFF")
    caplog.set_level("DEBUG", "mfer")
    run(raw, tmp_path / "out", settings)
    quiet, torn = sorted(caplog.messages)
    assert quiet == "extract c/quiet: a face in 0 of 1 frames, no sound"
    assert torn.startswith("extract c/torn: rejected: unreadable")


def test_real_recordings_pass(tmp_path, real, settings):
    folder = tmp_path / "raw"
    folder.mkdir()
    actor = real / "ravdess" / "Actor_01"
    for path in [
        *sorted(actor.glob("*.mp4"))[3:5],
        *sorted(actor.glob("*.wav"))[:3],
        *(real / "clips").glob("*face.mp4"),
    ]:
        (folder / path.name).symlink_to(path)
    assert run(folder, tmp_path / "out", settings)["rejected"] == 0
    rows = open_extracted(tmp_path / "out" / "extract" / "c").facts
    assert rows.frames_with_face["c/no_face"] == 0
    seen = rows[rows.index.str.contains("01-01|02-01|single")]
    assert (seen.frames_with_face == seen.frame_count).all()
    assert rows.peak["c/02-01-01-01-01-01-01"] == 0
    assert (rows.speech_s[rows.index.str.contains("c/03-")] > 1).all()
