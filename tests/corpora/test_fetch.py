import hashlib
import io
import json
import zipfile
from dataclasses import replace

import pytest

from mfer_core.base.errors import MferError
from mfer_core.base.settings import Corpus
from mfer_core.corpora.download import TransientError
from mfer_core.corpora.fetch import fetch_corpus, is_fetched, list_archives
from mfer_core.corpora.ingest import ingest_corpus
from mfer_core.corpora.registry import adapter as find_adapter
from mfer_core.corpora.sources import Archive, Source
from tests.corpora.http_server import serve
from tests.corpora.media_files import write_wav


@pytest.fixture
def site():
    with serve() as site:
        yield site


@pytest.fixture
def record(site, tmp_path):
    """A Zenodo record with two archives of RAVDESS's and one that is not wanted."""
    entries = []
    for name, member in {
        "Video_Speech_Actor_01.zip": "Actor_01/03-01-05-01-01-01-01.wav",
        "Audio_Speech_Actors_01-24.zip": "Actor_02/03-01-05-01-01-01-02.wav",
    }.items():
        content = zip_of({member: write_wav(tmp_path / "t.wav", len(name)).read_bytes()})
        site.files[f"/{name}"] = content
        entries.append(
            {
                "key": name,
                "size": len(content),
                "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
                "links": {"self": f"{site.url}/{name}"},
            }
        )
    entries.append(
        {
            "key": "Video_Song_Actor_01.zip",
            "size": 1,
            "checksum": "md5:0",
            "links": {"self": f"{site.url}/none"},
        }
    )
    site.files["/record"] = json.dumps({"files": entries}).encode()
    return source(record=f"{site.url}/record", record_files=find_adapter("ravdess").source.record_files)


def zip_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def source(**facts) -> Source:
    return Source(page="p", licence="l", instructions="h", layout="l", **facts)


def one_archive(site, name="a.zip", **facts) -> Source:
    return source(archives=(Archive(url=f"{site.url}/{name}", name=name, **facts),))


def test_a_record_is_fetched_checked_unpacked_and_ingested(site, record, tmp_path):
    folder = tmp_path / "raw"
    assert fetch_corpus("ravdess", folder, record) == 2
    assert sorted(path.name for path in folder.iterdir()) == [".fetched.json", "Actor_01", "Actor_02"]
    clips, rejects, _ = ingest_corpus("ravdess", Corpus(adapter="ravdess", source="fetch", path=folder), 1)
    assert len(clips) == 2 and not rejects
    asked = len(site.requests)
    assert fetch_corpus("ravdess", folder, record) == 0
    assert len(site.requests) == asked  # nothing is asked once all is there


def test_a_fetch_that_broke_goes_on_and_until_then_nothing_is_ingested(site, record, tmp_path):
    folder = tmp_path / "raw"
    site.faults["/Video_Speech_Actor_01.zip"] = ["drop 100", "status 503"]
    for _ in range(2):
        with pytest.raises(TransientError):
            fetch_corpus("ravdess", folder, record)
        assert not is_fetched(folder)
        with pytest.raises(MferError, match="not fetched completely"):
            ingest_corpus("ravdess", Corpus(adapter="ravdess", source="fetch", path=folder), 1)
    assert fetch_corpus("ravdess", folder, record) == 1
    asked = [path for path, _, _ in site.requests if path != "/record"]
    assert asked == ["/Audio_Speech_Actors_01-24.zip"] + ["/Video_Speech_Actor_01.zip"] * 3
    assert is_fetched(folder)


def test_a_record_that_contradicts_a_known_checksum_is_refused(site, record):
    known = find_adapter("ravdess").source.known
    assert known == {"Audio_Speech_Actors_01-24.zip": "md5:bc696df654c87fed845eb13823edef8a"}
    with pytest.raises(MferError, match="should have md5:bc696"):
        list_archives(source(record=record.record, record_files=record.record_files, known=known))


@pytest.mark.parametrize(
    "entry",
    [
        {"key": "Video_Speech_Actor_../x.zip", "size": 1, "checksum": "", "links": {"self": ""}},
        {"key": "a"},
        1,
    ],
)
def test_a_record_that_is_not_as_expected_is_refused(site, record, entry):
    site.files["/record"] = json.dumps({"files": [entry]}).encode()
    with pytest.raises(MferError, match="record"):
        list_archives(record)


def test_an_archive_of_a_repository_loses_its_top_folder(site, tmp_path):
    site.files["/a.zip"] = zip_of(
        {"URDU-Dataset-master/Sad/SM1_F1_S01.wav": b"x", "URDU-Dataset-master/README.md": b"x"}
    )
    fetch_corpus("urdu", tmp_path / "raw", one_archive(site, strip=1, keep=("Sad/*",)))
    assert (tmp_path / "raw/Sad/SM1_F1_S01.wav").exists() and not (tmp_path / "raw/README.md").exists()


def test_a_plain_file_is_put_there_as_it_is(site, tmp_path):
    site.files["/VideoDemographics.csv"] = b"ActorID,Sex\n"
    assert (
        fetch_corpus("crema_d", tmp_path / "raw", one_archive(site, "VideoDemographics.csv", plain=True)) == 1
    )
    assert (tmp_path / "raw/VideoDemographics.csv").read_bytes() == b"ActorID,Sex\n"


def test_what_a_download_lacks_is_said_when_it_is_done(site, tmp_path, caplog):
    site.files["/a.zip"] = zip_of({"AudioWAV/1001_DFA_ANG_XX.wav": b"RIFF"})
    fetched = replace(one_archive(site), lacks=find_adapter("crema_d").source.lacks)
    fetch_corpus("crema_d", tmp_path, fetched)
    assert "it lacks the pictures (VideoFlash/" in caplog.text and "summaryTable.csv" in caplog.text


def test_a_truncated_archive_without_checksum_is_dropped_and_fetched_again(site, tmp_path):
    whole = zip_of({"Sad/SM1_F1_S01.wav": b"x" * 1000})
    site.files["/a.zip"] = whole[:500]
    with pytest.raises(TransientError, match="dropped"):
        fetch_corpus("urdu", tmp_path / "raw", one_archive(site))
    site.files["/a.zip"] = whole
    assert fetch_corpus("urdu", tmp_path / "raw", one_archive(site)) == 1


def test_a_malicious_archive_stops_the_fetch_and_nothing_is_unpacked(site, tmp_path):
    site.files["/a.zip"] = zip_of({"Sad/SM1_F1_S01.wav": b"x", "../../evil.wav": b"x"})
    with pytest.raises(MferError, match="not safe to unpack") as caught:
        fetch_corpus("urdu", tmp_path / "raw", one_archive(site))
    assert not isinstance(caught.value, TransientError)
    assert not (tmp_path / "raw/Sad").exists() and not (tmp_path / "evil.wav").exists()


def test_want_of_disk_space_is_found_before_anything_is_fetched(site, tmp_path):
    huge = source(archives=(Archive(url=f"{site.url}/a.zip", name="a.zip", size=10**15),))
    with pytest.raises(MferError, match="no room to fetch ravdess"):
        fetch_corpus("ravdess", tmp_path / "raw", huge)
    assert not site.requests


@pytest.mark.parametrize("adapter", ["sdc", "fer2013", "custom"])
def test_what_cannot_be_fetched_says_where_to_get_it_and_where_to_put_it(adapter, tmp_path):
    with pytest.raises(MferError) as caught:
        fetch_corpus(adapter, tmp_path / "raw")
    assert find_adapter(adapter).source.page in str(caught.value) and str(tmp_path / "raw") in str(
        caught.value
    )


def test_what_can_be_fetched_is_declared_with_sizes(tmp_path):
    for name in ("crema_d", "shemo", "urdu"):
        assert all(
            archive.expected and archive.url.startswith("https://")
            for archive in find_adapter(name).source.archives
        )
