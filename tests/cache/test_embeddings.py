"""Embeddings come back as they were put in."""

import numpy as np
import pyarrow as pa
import pytest

from mfer_core.base.errors import MferError
from mfer_core.cache.embeddings import embedding_row, read_embeddings
from mfer_core.cache.schemas import EMBEDDINGS
from mfer_core.cache.shards import Shard, ShardFolder


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_values_and_metadata_come_back(tmp_path, dtype):
    values = {
        f"c/{name}": np.random.default_rng(length).standard_normal((length, 3)).astype(dtype)
        for name, length in (("b", 1), ("a", 5))
    }
    rows = [
        embedding_row(clip_id, "k", array, np.arange(len(array)) / 5) for clip_id, array in values.items()
    ]
    store = ShardFolder(tmp_path, EMBEDDINGS, {"dtype": dtype, "name": "encoder"})
    store.write(Shard("0000-of-0001", dict.fromkeys(values, "k")), pa.Table.from_pylist(rows, EMBEDDINGS))
    read = read_embeddings(tmp_path)
    assert list(read.values) == ["c/a", "c/b"]
    assert read.metadata == {"dtype": dtype, "name": "encoder"}
    for clip_id, array in values.items():
        assert read.values[clip_id].dtype == np.float32
        assert np.array_equal(read.values[clip_id], array.astype(np.float32))


def test_a_transposed_view_is_stored_row_by_row():
    values = np.arange(6, dtype=np.float32).reshape(2, 3).T
    row = embedding_row("c/a", "k", values, np.zeros(3))
    assert np.array_equal(np.frombuffer(row["values"], np.float32).reshape(3, 2), values)


def test_missing_embeddings_are_named(tmp_path):
    with pytest.raises(MferError, match="run the stage"):
        read_embeddings(tmp_path / "none")
