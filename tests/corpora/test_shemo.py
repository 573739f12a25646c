import json

import pytest

from mfer_core.base.errors import MferError
from mfer_core.base.settings import Corpus
from mfer_core.corpora.ingest import ingest_corpus
from tests.corpora.media_files import write_wav
from tests.corpora.test_ingest import ingest


@pytest.fixture
def folder(tmp_path):
    write_wav(tmp_path / "female/F01N01.wav", 1, rate=44100)
    write_wav(tmp_path / "male/M12S07.wav", 2, rate=22050)
    entries = {
        "F01N01": {"emotion": "anger", "transcript": "سلام"},
        "M12S07": {"emotion": "sadness"},
        "M99A01": {"emotion": "fear"},
    }
    (tmp_path / "shemo.json").write_text(json.dumps(entries), encoding="utf-8")
    return tmp_path


def test_where_shemo_json_disagrees_the_name_counts_and_the_mismatch_is_reported(folder, caplog):
    clips, _ = ingest(folder, "shemo")
    assert clips["female/F01N01.wav"].label == "neutral" and clips["female/F01N01.wav"].statement == "سلام"
    assert "for 1 clips (the name counts): F01N01" in caplog.text
    assert len(ingest_corpus("set", Corpus(adapter="shemo", source="local", path=folder), 1).notes) == 1


def test_both_sample_rates_are_read(folder):
    assert {clip.sample_rate for clip in ingest(folder, "shemo")[0].values()} == {44100, 22050}


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}'])
def test_a_broken_shemo_json_is_an_error_that_names_it(folder, text):
    (folder / "shemo.json").write_text(text)
    with pytest.raises(MferError, match=r"shemo\.json"):
        ingest(folder, "shemo")
