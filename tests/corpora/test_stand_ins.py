"""The rehearsal's stand-ins of download addresses: what they serve is fetched, through the faults of a
network, and read as the real corpora are.
"""

import pytest

from benchmarks.rehearsal.__main__ import FETCHED, write_unmarked
from benchmarks.rehearsal.downloads import Downloads
from mfer_core.base.files import read_json, write_json
from mfer_core.base.settings import Corpus, DemoSize
from mfer_core.corpora.download import TransientError
from mfer_core.corpora.fetch import fetch_corpus, is_fetched
from mfer_core.corpora.ingest import ingest_corpus
from mfer_core.corpora.sources import ADDRESSES, Source, addresses


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stand-ins")
    for name in FETCHED:
        write_unmarked(name, folder / name, DemoSize(speakers=2, clips_per_speaker=1))
    return Downloads({name: folder / name for name in FETCHED}, folder / "archives")


def test_every_corpus_is_fetched_from_the_stand_ins_and_read(downloads, tmp_path):
    table = tmp_path / "addresses.json"
    broken = []
    with downloads.serving() as host:
        write_json(table, downloads.table(host))
        assert set(read_json(table)) == set(read_json(ADDRESSES))
        for name in FETCHED:
            folder = tmp_path / name
            source = Source(page="p", licence="l", instructions="i", layout="l", **addresses(name, table))
            while not is_fetched(folder):
                try:
                    fetch_corpus(name, folder, source)
                except TransientError as error:
                    broken.append(str(error))
            settings = Corpus(adapter=name, source="fetch", path=folder)
            clips, rejects, _ = ingest_corpus(name, settings, 1)
            assert len(clips) == 2 and {reject.reason for reject in rejects} <= {"same take"}
    assert len(broken) == 2 and "is busy (503)" in broken[1] and "Video_Speech_Actor_01.zip" in broken[0]
    assert not downloads.faults
