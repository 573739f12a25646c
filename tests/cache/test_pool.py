"""The pool's file changes with the content of its corpora and with nothing else."""

import pytest

from mfer_core.base.errors import MferError
from mfer_core.base.settings import Corpus
from mfer_core.cache.pool import describe_pool, folder_hash, remove_others


def test_names_and_contents_shape_the_hash_and_places_do_not(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder / "deep").mkdir(parents=True)
        (tmp_path / folder / "deep" / "a").write_text("x")
    first = folder_hash(tmp_path / "one")
    assert folder_hash(tmp_path / "two") == first
    (tmp_path / "two" / "deep" / "a").write_text("y")
    assert folder_hash(tmp_path / "two") != first
    (tmp_path / "one" / "deep" / "a").rename(tmp_path / "one" / "deep" / "b")
    assert folder_hash(tmp_path / "one") != first


def test_a_corpus_that_was_not_extracted_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    corpora = {"urdu": Corpus(adapter="urdu", source="local", path=tmp_path)}
    folder = tmp_path.relative_to(tmp_path) / "data" / "extract" / "urdu"
    with pytest.raises(MferError, match="run stage extract for urdu first"):
        describe_pool(corpora, {"urdu": [folder]})


def test_only_what_is_named_stays(tmp_path):
    for name in ("urdu", "gone", "frames"):
        (tmp_path / name / "inner").mkdir(parents=True)
    for file in ("sdc.json", "left.json", "note.txt"):
        (tmp_path / file).write_text("{}")
    assert remove_others(tmp_path / "nowhere", ["urdu"]) == []
    assert remove_others(tmp_path, ["urdu", "sdc"]) == ["frames", "gone", "left"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["note.txt", "sdc.json", "urdu"]
