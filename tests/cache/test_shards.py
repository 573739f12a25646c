"""Shards: the same clips and keys give the same files, whatever happened before."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfer_core.base.errors import MferError
from mfer_core.cache.shards import ShardFolder, partition, shard_files

KEYS = st.dictionaries(
    st.text("abc/ü", min_size=1, max_size=4), st.sampled_from(["k1", "k2", "k3"]), max_size=12
)


class Lines(ShardFolder[list]):
    """Rows as lines of JSON: clip_id, key, and a value that follows from both."""

    suffix = ".parquet"

    def read_pairs(self, path):
        return [tuple(json.loads(line)[:2]) for line in path.read_text().splitlines()]

    def read_row(self, path, number):
        return json.loads(path.read_text().splitlines()[number])

    def write_rows(self, path, rows):
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def row_of(clip_id: str, key: str) -> list:
    return [clip_id, key, f"value of {clip_id} {key}"]


def update(folder, keys, shard_clips, upto=None) -> list[str]:
    """What a stage does; ``upto`` shards only, as if killed. Returns the clips computed."""
    shards, store, computed = partition(keys, shard_clips), Lines(folder), []

    def compute(clip_id):
        computed.append(clip_id)
        return row_of(clip_id, keys[clip_id])

    for shard in shards[:upto]:
        missing, before = store.missing(shard), len(computed)
        if not store.holds(shard):
            store.fill(shard, compute)
        assert computed[before:] == missing
    if upto is None:
        store.prune(shards)
    return computed


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))}


@given(
    st.lists(st.tuples(KEYS, st.integers(1, 6), st.one_of(st.none(), st.integers(0, 3))), max_size=4),
    KEYS,
    st.integers(1, 6),
)
@settings(max_examples=30, deadline=None)
def test_files_do_not_depend_on_history(tmp_path_factory, history, keys, shard_clips):
    worn, clean = tmp_path_factory.mktemp("worn"), tmp_path_factory.mktemp("clean")
    for step in history:
        update(worn, *step)
    update(worn, keys, shard_clips)
    update(clean, keys, shard_clips)
    assert contents(worn) == contents(clean)
    lines = [json.loads(line) for text in contents(clean).values() for line in text.splitlines()]
    assert sorted(lines) == sorted(row_of(*pair) for pair in keys.items())


@given(KEYS, st.integers(1, 6))
@settings(max_examples=15, deadline=None)
def test_nothing_is_computed_twice(tmp_path_factory, keys, shard_clips):
    folder = tmp_path_factory.mktemp("shards")
    assert sorted(update(folder, keys, shard_clips)) == sorted(keys)
    assert update(folder, keys, shard_clips) == []
    assert update(folder, keys, shard_clips + 3) == []


@given(KEYS, st.integers(1, 6), st.text("xyz", min_size=5, max_size=5))
def test_partition_keeps_every_clip_once_and_growth_moves_none_within_a_power_of_two(keys, shard_clips, new):
    shards = partition(keys, shard_clips)
    assert sorted(pair for shard in shards for pair in shard.keys.items()) == sorted(keys.items())
    assert all(list(shard.keys) == sorted(shard.keys) for shard in shards)
    grown = partition(keys | {new: "k"}, shard_clips)
    if {shard.name[-4:] for shard in shards} == {shard.name[-4:] for shard in grown}:
        where = {clip_id: shard.name for shard in grown for clip_id in shard.keys}
        assert all(where[clip_id] == shard.name for shard in shards for clip_id in shard.keys)


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 1)])
def test_each_file_of_another_partition_is_read_for_the_shards_that_share_its_clips(tmp_path, before, after):
    keys = {f"clip {number}": "k1" for number in range(64)}
    update(tmp_path, keys, before)
    held, shards = len(partition(keys, before)), partition(keys, after)
    read = []

    class Counting(Lines):
        def read_pairs(self, path):
            read.append(path)
            return super().read_pairs(path)

    for shard in shards:
        assert Counting(tmp_path).missing(shard) == []
    assert held > 8 and len(read) == max(held, len(shards))


def test_rows_held_by_two_files_after_a_kill_are_taken_once(tmp_path):
    keys = dict.fromkeys(["a", "ab", "abc", "b", "bc", "c", "ca", "cab"], "k1")
    for step in ((keys, 4, None), (keys, 2, 1), (keys, 8, None)):
        update(tmp_path / "worn", *step)
    update(tmp_path / "clean", keys, 8)
    assert contents(tmp_path / "worn") == contents(tmp_path / "clean")


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    update(tmp_path, {"a": "k1"}, 1)
    before = contents(tmp_path)

    def die(clip_id):
        raise KeyboardInterrupt

    (shard,) = partition({"a": "k2"}, 1)
    with pytest.raises(KeyboardInterrupt):
        Lines(tmp_path).fill(shard, die)
    assert contents(tmp_path) == before


def test_what_does_not_belong_is_pruned_and_other_files_stay(tmp_path):
    update(tmp_path, {"a": "k1", "b": "k1"}, 1)
    for name in ("rejects.parquet", "0000-of-0001.arrow", ".0000-of-0002.abc.tmp.parquet"):
        (tmp_path / name).write_bytes(b"x")
    update(tmp_path, {"a": "k1"}, 1)
    assert set(contents(tmp_path)) == {"0000-of-0001.parquet", "rejects.parquet"}


def test_a_folder_that_is_missing_or_of_an_earlier_version_is_named(tmp_path):
    with pytest.raises(MferError, match="run the stage"):
        shard_files(tmp_path / "none", ".parquet", "extract")
    assert shard_files(tmp_path, ".parquet", "extract") == []
    (tmp_path / "0000-of-0001.arrow").write_bytes(b"x")
    with pytest.raises(MferError, match="run extract again"):
        shard_files(tmp_path, ".parquet", "extract")
