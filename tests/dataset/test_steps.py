"""Steps read from mapped embeddings: the same values as if all were in memory, and no more of them than is
asked for.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from mfer_core.cache.embeddings import EmbeddingRow, Embeddings, EmbeddingShards, open_embeddings
from mfer_core.cache.shards import partition
from mfer_core.dataset.clips import Clips, collate
from mfer_core.dataset.steps import DrawnSteps, StoredSteps, lengths_of, moments, steps_of, take

CLIPS = ["c/3", "c/0", "c/7", "c/1"]  # c/0 has no step


def stored(folder: Path, dtype: str = "float32") -> StoredSteps:
    """Nine clips, clip n of n steps."""
    rng = np.random.default_rng(0)
    values = {f"c/{n}": rng.normal(3, 2, (n, 4)) for n in range(9)}
    rows = {clip: EmbeddingRow(clip, "k", np.zeros(len(value)), value) for clip, value in values.items()}
    store = EmbeddingShards(folder, {"dtype": dtype})
    for shard in partition(dict.fromkeys(rows, "k"), 3):
        store.fill(shard, rows.__getitem__)
    return StoredSteps(open_embeddings(folder))


def test_clips_without_a_step_are_absent_and_lengths_read_no_values(tmp_path, monkeypatch):
    values = stored(tmp_path)
    assert "c/0" not in values and len(values) == len(list(values)) == 8
    with pytest.raises(KeyError):
        values["c/0"]
    monkeypatch.setattr(Embeddings, "at", None)  # reading values would fail
    steps = steps_of(values, CLIPS)
    assert lengths_of(steps).tolist() == [3, 0, 7, 1]
    assert lengths_of(take(steps, [2, 0])).tolist() == [7, 3]


def test_a_batch_is_the_stored_values_in_single_precision(tmp_path):
    values = stored(tmp_path, "float16")
    labels = torch.tensor([0, 1, 0, 1])
    clips = Clips(tuple(CLIPS), ("x",) * 4, labels, {"audio": steps_of(values, CLIPS)}, {"audio": 4})
    (padded, lengths), _ = collate(clips.select([2, 1, 3]), [0, 1, 2])
    assert padded.dtype == torch.float32 and lengths.tolist() == [7, 0, 1]
    assert torch.equal(padded[0], values["c/7"].float()) and not padded[1].any()
    assert torch.equal(padded[2, :1], values["c/1"].float()) and not padded[2, 1:].any()
    padded[:] = 0
    assert values["c/7"].any(), "a batch is a copy: the files stay as they are"


def test_each_clip_is_in_the_view_that_was_drawn(tmp_path):
    clean, view = steps_of(stored(tmp_path / "a"), CLIPS), [torch.full((2, 4), 9.0)] * 3 + [None]
    drawn = DrawnSteps([clean, view], np.array([0, 0, 1, 1]))
    assert drawn.lengths.tolist() == [3, 0, 2, 0]
    assert torch.equal(drawn[0], clean[0]) and drawn[1] is None and torch.equal(drawn[2], view[2])


def test_moments_are_those_of_all_steps_at_once(tmp_path):
    steps = steps_of(stored(tmp_path), CLIPS)
    together = torch.cat([value for value in steps if value is not None])
    mean, std = moments(steps)
    assert torch.allclose(mean, together.mean(0)) and torch.allclose(std, together.std(0, correction=0))
