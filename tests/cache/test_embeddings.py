"""Embeddings come back as they were put in, mapped from the file that every process shares."""

import multiprocessing
import os
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest

from mfer_core.base.errors import MferError
from mfer_core.cache.embeddings import EmbeddingRow, EmbeddingShards, open_embeddings
from mfer_core.cache.shards import partition

KEYS = {f"c/{number:03d}": "k" for number in range(9)}


def row_of(clip_id: str, key: str = "k", dim: int = 3) -> EmbeddingRow:
    """What a clip holds follows from its id and key; some clips have no step."""
    length = int(clip_id[-1]) % 5
    values = np.random.default_rng(sum((clip_id + key).encode())).standard_normal((length, dim))
    return EmbeddingRow(clip_id, key, np.arange(length) / 5 + 0.1, values)


def write(
    folder: Path, keys: dict[str, str], dtype: str = "float32", shard_clips: int = 4, dim: int = 3
) -> int:
    """What the embed stage does; returns how many clips were computed."""
    store, shards = EmbeddingShards(folder, {"dtype": dtype, "name": "encoder"}), partition(keys, shard_clips)
    computed = []
    for shard in shards:
        if not store.holds(shard):
            store.fill(shard, lambda clip: computed.append(clip) or row_of(clip, keys[clip], dim))
    store.prune(shards)
    return len(computed)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_values_times_keys_and_metadata_come_back(tmp_path, dtype):
    write(tmp_path, KEYS, dtype)
    embeddings = open_embeddings(tmp_path)
    assert list(embeddings) == sorted(KEYS)
    assert (embeddings.metadata, embeddings.dim) == ({"dtype": dtype, "name": "encoder"}, 3)
    assert embeddings.row_keys() == KEYS
    for clip_id, values in embeddings.items():
        expected = row_of(clip_id)
        assert values.dtype == dtype and np.array_equal(values, expected.values.astype(dtype))
        assert np.array_equal(embeddings.times()[clip_id], expected.times_s.astype(np.float32))
        assert embeddings.lengths[embeddings.row(clip_id)] == len(values)


def test_what_changes_is_computed_again_and_history_leaves_no_trace(tmp_path):
    assert write(tmp_path / "worn", dict(list(KEYS.items())[:5])) == 5
    changed = KEYS | {"c/002": "other"}
    assert write(tmp_path / "worn", changed) == 5
    assert write(tmp_path / "worn", changed) == 0
    assert write(tmp_path / "worn", changed, shard_clips=2) == 0
    write(tmp_path / "clean", changed, shard_clips=2)
    assert contents(tmp_path / "worn") == contents(tmp_path / "clean")


def test_values_are_the_files_own_pages_and_cannot_be_written_to(tmp_path):
    write(tmp_path, KEYS, shard_clips=1)
    before = psutil.Process().num_fds()
    embeddings = open_embeddings(tmp_path)
    assert psutil.Process().num_fds() == before  # a cache may have more files than a process may open
    values = embeddings["c/004"]
    assert values.base is not None
    with pytest.raises(ValueError, match="read-only"):
        values[0, 0] = 1


def _read_all(folder: Path, connection) -> None:
    embeddings = open_embeddings(folder)
    total = sum(float(values.sum()) for values in embeddings.values())
    import pandas  # noqa: F401 (a process that read nothing has not loaded what readers need)
    import pyarrow.parquet  # noqa: F401

    status = Path("/proc/self/status").read_text()
    anonymous = int(status.split("RssAnon:")[1].split()[0])
    connection.send((total, anonymous))


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="reads /proc")
def test_processes_read_without_holding_a_copy(tmp_path):
    rng = np.random.default_rng(0)
    rows = {clip: EmbeddingRow(clip, "k", np.zeros(1000), rng.random((1000, 2000))) for clip in KEYS}
    store = EmbeddingShards(tmp_path, {"dtype": "float32"})
    for shard in partition(KEYS, 4):
        store.fill(shard, rows.__getitem__)
    context, sizes = multiprocessing.get_context("forkserver"), []
    for folder in (tmp_path / "empty", tmp_path):
        folder.mkdir(exist_ok=True)
        ours, theirs = context.Pipe()
        process = context.Process(target=_read_all, args=(folder, theirs))
        process.start()
        total, anonymous = ours.recv()
        process.join()
        sizes.append(anonymous)
    assert total == pytest.approx(sum(row.values.astype(np.float32).sum() for row in rows.values()), rel=1e-5)
    assert sizes[1] - sizes[0] < 8_000 < 72_000  # kB; the values are 72 MB


def test_a_new_file_is_not_taken_for_the_one_that_is_mapped(tmp_path):
    write(tmp_path, KEYS)
    old = open_embeddings(tmp_path)
    first = old["c/004"].copy()
    write(tmp_path, dict.fromkeys(KEYS, "new"))
    assert np.array_equal(old["c/004"], first)
    assert not np.array_equal(open_embeddings(tmp_path)["c/004"], first)


def test_a_folder_that_is_missing_old_or_broken_is_named(tmp_path):
    with pytest.raises(MferError, match="run the stage"):
        open_embeddings(tmp_path / "none")
    old = tmp_path / "old"
    old.mkdir()
    (old / "0000-of-0001.parquet").write_bytes(b"PAR1")
    with pytest.raises(MferError, match="earlier version: run embed again"):
        open_embeddings(old)
    write(old, KEYS)
    assert {path.suffix for path in old.iterdir()} == {".arrow"}
    path = next(old.iterdir())
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(MferError, match=path.name):
        open_embeddings(old)


def test_a_folder_without_clips_is_empty(tmp_path):
    embeddings = open_embeddings(tmp_path)
    assert (len(embeddings), embeddings.dim, embeddings.metadata) == (0, 0, {})
    assert isinstance(embeddings.lengths, np.ndarray) and pa.total_allocated_bytes() >= 0
