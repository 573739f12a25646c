"""One contract for every corpus, over small fixtures in each real layout."""

from collections import Counter
from importlib import import_module

import pytest

from mfer_core.base.errors import MferError
from mfer_core.base.manifest import clips_frame, validate
from mfer_core.corpora.ingest import ingest_corpus
from mfer_core.corpora.registry import adapter
from tests.corpora.layouts import LAYOUTS

pytestmark = pytest.mark.parametrize("name", LAYOUTS)


@pytest.fixture(scope="module")
def ingested(built):
    read: dict = {}

    def ingest(name):
        if name not in read:
            layout = LAYOUTS[name]
            read[name] = ingest_corpus("set", layout.settings(built(name)), workers=2)
        return read[name]

    return ingest


def test_every_file_found_is_accepted_or_rejected_once(name, built, ingested):
    layout, folder = LAYOUTS[name], built(name)
    reader, (clips, rejects, _) = adapter(layout.adapter), ingested(name)
    files = reader.find(folder, reader.prepare(folder, layout.settings(folder)))
    assert sorted(files) == sorted(row.path for row in [*clips, *rejects])
    assert all(reject.stage == "ingest" and reject.corpus == "set" and reject.reason for reject in rejects)


def test_counts_are_those_counted_by_hand(name, ingested):
    layout, (clips, rejects, _) = LAYOUTS[name], ingested(name)
    assert Counter(clip.label for clip in clips) == layout.labels
    assert Counter(reject.reason for reject in rejects) == layout.rejects
    assert len({clip.speaker for clip in clips}) == layout.speakers


def test_the_manifest_is_valid(name, ingested):
    frame = clips_frame(ingested(name)[0])
    validate(frame, "set")
    assert set(frame.sex.dropna()) <= {"female", "male"}
    assert (frame.width.notna() == frame.has_video.astype(bool)).all()


def test_the_number_of_workers_and_the_folder_do_not_matter(name, tmp_path, ingested):
    layout = LAYOUTS[name]
    (tmp_path / "moved").mkdir()
    layout.build(tmp_path / "moved")
    clips, rejects, _ = ingest_corpus("set", layout.settings(tmp_path / "moved"), workers=1)
    assert [(clip.clip_id, clip.label, clip.speaker) for clip in clips] == [
        (clip.clip_id, clip.label, clip.speaker) for clip in ingested(name)[0]
    ]
    assert [(reject.path, reject.reason) for reject in rejects] == [
        (reject.path, reject.reason) for reject in ingested(name)[1]
    ]


def test_the_module_has_a_datasheet_and_the_contract(name):
    reader = adapter(LAYOUTS[name].adapter)
    datasheet = import_module(f"mfer_core.corpora.{reader.name}").__doc__
    assert all(word in datasheet for word in ("Source", "icence", "ize"))
    assert reader.language is None or len(reader.language) == 2


def test_a_missing_or_empty_folder_says_where_to_get_the_corpus(name, tmp_path):
    layout = LAYOUTS[name]
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "missing", tmp_path / "empty"):
        with pytest.raises(MferError, match=r"put|manifest"):
            ingest_corpus("set", layout.settings(folder), workers=1)
    assert adapter(layout.adapter).source.page


def test_absent_is_empty(name, tmp_path):
    assert ingest_corpus("set", LAYOUTS[name].settings(tmp_path / "missing", source="absent"), workers=1) == (
        [],
        [],
        [],
    )
