"""Shards: the same clips and keys give the same files, whatever happened before."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfer_core.base.errors import MferError
from mfer_core.cache.shards import Shard, ShardFolder, partition, read_metadata, read_shards

SCHEMA = pa.schema([("clip_id", pa.string()), ("key", pa.string()), ("value", pa.int64())])
KEYS = st.dictionaries(
    st.text("abc/ü", min_size=1, max_size=4), st.sampled_from(["k1", "k2", "k3"]), max_size=12
)


def rows_of(clip_id: str, key: str) -> list[dict]:
    """A clip's rows follow from its id and key alone; some clips have none, some have several."""
    return [{"clip_id": clip_id, "key": key, "value": value} for value in range(7, 7 - len(clip_id) % 4, -1)]


def update(folder, keys, shard_clips, upto=None) -> list[str]:
    """What a stage does; ``upto`` shards only, as if killed. Returns the clips computed."""
    shards, store, computed = partition(keys, shard_clips), ShardFolder(folder, SCHEMA, {"name": "x"}), []
    for shard in shards[:upto]:
        missing = [clip_id for clip_id in store.missing(shard) if rows_of(clip_id, "")]
        computed += missing
        if missing or not store.holds(with_rows(shard)):
            fresh = [row for clip_id in missing for row in rows_of(clip_id, shard.keys[clip_id])]
            store.write(shard, pa.concat_tables([store.reusable(shard), pa.Table.from_pylist(fresh, SCHEMA)]))
    if upto is None:
        store.prune(shards)
    return computed


def with_rows(shard: Shard) -> Shard:
    return Shard(shard.name, {clip_id: key for clip_id, key in shard.keys.items() if rows_of(clip_id, key)})


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
    read = [row for table in read_shards(clean) for row in table.to_pylist()]
    assert sorted(map(str, read)) == sorted(
        str(row) for clip_id, key in keys.items() for row in rows_of(clip_id, key)
    )


@given(KEYS, st.integers(1, 6))
@settings(max_examples=15, deadline=None)
def test_nothing_is_computed_twice(tmp_path_factory, keys, shard_clips):
    folder = tmp_path_factory.mktemp("shards")
    assert sorted(update(folder, keys, shard_clips)) == sorted(
        clip_id for clip_id in keys if rows_of(clip_id, "")
    )
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


def test_rows_held_by_two_files_after_a_kill_are_taken_once(tmp_path):
    keys = dict.fromkeys(["a", "ab", "abc", "b", "bc", "c", "ca", "cab"], "k1")
    for step in ((keys, 4, None), (keys, 2, 1), (keys, 8, None)):
        update(tmp_path / "worn", *step)
    update(tmp_path / "clean", keys, 8)
    assert contents(tmp_path / "worn") == contents(tmp_path / "clean")


def test_a_clip_keeps_the_order_of_its_rows_and_clips_are_sorted(tmp_path):
    rows = [{"clip_id": clip_id, "key": "k", "value": value} for value in (3, 1, 2) for clip_id in ("b", "a")]
    ShardFolder(tmp_path, SCHEMA).write(
        Shard("0000-of-0001", {"a": "k", "b": "k"}), pa.Table.from_pylist(rows, SCHEMA)
    )
    (table,) = read_shards(tmp_path)
    assert table["value"].to_pylist() == [3, 1, 2, 3, 1, 2]
    assert table["clip_id"].to_pylist() == ["a"] * 3 + ["b"] * 3


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    shard = Shard("0000-of-0001", {"a": "k"})
    store = ShardFolder(tmp_path, SCHEMA)
    store.write(shard, pa.Table.from_pylist(rows_of("a", "k"), SCHEMA))
    before = contents(tmp_path)

    def die(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("mfer_core.cache.shards.pq.write_table", die)
    with pytest.raises(KeyboardInterrupt):
        store.write(shard, pa.Table.from_pylist([], SCHEMA))
    assert contents(tmp_path) == before


def test_metadata_comes_back_and_a_missing_folder_is_named(tmp_path):
    ShardFolder(tmp_path / "s", SCHEMA, {"dim": 3}).write(
        Shard("0000-of-0001", {"a": "k"}), SCHEMA.empty_table()
    )
    assert read_metadata(tmp_path / "s") == {"dim": 3}
    assert read_metadata(tmp_path / "none") == {}
    with pytest.raises(MferError, match="run the stage"):
        list(read_shards(tmp_path / "none"))
