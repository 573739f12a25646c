"""Which clips a person's own features are of, and how they enter in place of an encoder."""

import numpy as np
import pandas as pd
import pytest

from mfer_core.base.errors import MferError
from mfer_core.base.files import read_json, sha256_file
from mfer_core.base.settings import Corpus
from mfer_core.cache.embeddings import open_embeddings, same_encoder
from mfer_core.corpora.ingest import ingest_corpus
from mfer_core.corpora.precomputed import take_over
from mfer_core.encoders.precomputed import store_features
from tests.corpora.media_files import write_wav

NAMES = [f"03-01-0{emotion}-01-01-01-0{actor}" for actor in (1, 2) for emotion in (3, 4, 5)]


@pytest.fixture
def corpus(tmp_path):
    for number, name in enumerate(NAMES):
        write_wav(tmp_path / "ravdess" / f"Actor_{name[-2:]}" / f"{name}.wav", number)
    return Corpus(
        adapter="ravdess", source="local", path=tmp_path / "ravdess", precomputed={"visual": "faces.csv"}
    )


def bring(corpus, names, column="file"):
    """One row of two features per name."""
    frame = pd.DataFrame({column: names, "x": np.arange(len(names)), "y": 0.5})
    frame.to_csv(corpus.path / "faces.csv", index=False)


def ingested(corpus, out):
    clips, *_ = ingest_corpus("ravdess", corpus, 1)
    return take_over(clips, corpus, out / "ravdess")


def stored(corpus, out):
    store_features(out / "ravdess", corpus.path, "visual", out / "embed", 4)
    return open_embeddings(out / "embed")


def test_features_of_the_same_take_are_the_clips_whichever_of_its_files_they_name(corpus, tmp_path):
    pictures = [name.replace("03-", "01-", 1) for name in NAMES[:3]]
    bring(
        corpus,
        [
            *pictures,
            f"{NAMES[3]}.wav",
            f"ravdess/{NAMES[4]}",
            "02" + NAMES[0][2:],
            "01-01-08-01-01-01-09",
            "nobody",
        ],
    )
    [line] = ingested(corpus, tmp_path)
    assert "5 of 6 clips, 1 without visual; 3 names of the file are of no clip" in line
    embeddings = stored(corpus, tmp_path)
    assert set(embeddings) == {f"ravdess/{name}" for name in NAMES[:5]}
    np.testing.assert_array_equal(embeddings[f"ravdess/{NAMES[2]}"], [[2, 0.5]])
    assert embeddings.metadata["kind"] == "precomputed" and embeddings.metadata["file_sha256"] == sha256_file(
        corpus.path / "faces.csv"
    )
    assert "faces.csv" in embeddings.metadata["name"]


def test_a_changed_file_is_taken_over_anew_and_the_same_file_is_not(corpus, tmp_path):
    bring(corpus, NAMES)
    ingested(corpus, tmp_path)
    before = stored(corpus, tmp_path)
    assert store_features(tmp_path / "ravdess", corpus.path, "visual", tmp_path / "embed", 4) == 0
    facts = read_json(tmp_path / "ravdess" / "precomputed.json")
    bring(corpus, NAMES[1:])
    with pytest.raises(MferError, match="run ingest again"):
        stored(corpus, tmp_path)
    ingested(corpus, tmp_path)
    assert (
        read_json(tmp_path / "ravdess" / "precomputed.json") != facts
    )  # what makes stage embed stale for DVC
    after = stored(corpus, tmp_path)
    assert len(after) == 5 and same_encoder(before.metadata, after.metadata)


def test_features_that_fit_no_clip_or_several_are_refused(corpus, tmp_path):
    bring(corpus, ["a", "b"])
    with pytest.raises(MferError, match="names none of the 6 clips"):
        ingested(corpus, tmp_path)
    assert not (tmp_path / "ravdess" / "precomputed.json").exists()
    for number, label in enumerate(("happy", "sad")):
        write_wav(tmp_path / "own" / label / "1.wav", number)
    features = {"visual": "faces.csv"}
    custom = Corpus(adapter="custom", source="local", path=tmp_path / "own", precomputed=features)
    bring(custom, ["1"])
    clips, *_ = ingest_corpus("custom", custom, 1)
    with pytest.raises(MferError, match="name the clips by clip_id"):
        take_over(clips, custom, tmp_path / "own-ingested")
    bring(custom, [clip.clip_id for clip in clips], "clip_id")
    assert "2 of 2 clips" in take_over(clips, custom, tmp_path / "own-ingested")[0]
