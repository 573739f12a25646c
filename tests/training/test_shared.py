"""Embeddings that all folds share: decoded once, mapped by every process."""

import re
import sys
from pathlib import Path

import pytest
import torch

from mfer_core.base.errors import MferError
from mfer_core.cache.embeddings import read_embeddings
from mfer_core.training import shared
from tests.training.synthetic import small_settings, write_benchmark


@pytest.fixture
def folder(tmp_path):
    write_benchmark(tmp_path, small_settings(), speakers=3)
    return tmp_path / "embed" / "audio" / "ravdess"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_next_process_maps_what_the_first_has_decoded(folder, monkeypatch):
    exact = read_embeddings(folder)
    shared.shared_embeddings(folder, "float32")
    shared._mapped.cache_clear()  # as in a process that has loaded nothing yet
    monkeypatch.setattr(shared, "read_embeddings", None)  # decoding again would fail
    values, metadata = shared.shared_embeddings(folder, "float32")
    assert metadata == exact.metadata
    assert all(torch.equal(values[name], torch.from_numpy(value)) for name, value in exact.values.items())
    mapping = re.search(
        r"\.shared/\w+\.safetensors\n.*?Anonymous: +(\d+) kB", Path("/proc/self/smaps").read_text(), re.DOTALL
    )
    assert mapping[1] == "0"  # pages of the file itself, not copies of this process


def test_new_embeddings_are_not_taken_for_the_old_and_nothing_is_left_behind(folder, tmp_path):
    old, _ = shared.shared_embeddings(folder, "float32")
    write_benchmark(tmp_path, small_settings(), speakers=4)
    new, _ = shared.shared_embeddings(folder, "float32")
    assert len(new) > len(old)
    shared.forget_shared(tmp_path)
    assert not list(tmp_path.rglob("*.safetensors"))
    assert new["ravdess/01-angry-0"].isfinite().all()  # still mapped


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(MferError, match="visual"):
        shared.shared_embeddings(tmp_path / "embed" / "visual" / "ravdess", "float32")
