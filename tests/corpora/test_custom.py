import re
import unicodedata

import pytest

from mfer_core.base.errors import MferError
from mfer_core.base.settings import Corpus
from mfer_core.corpora.ingest import ingest_corpus
from mfer_core.media.kinds import SOUND, VIDEO
from tests.corpora.media_files import write_wav
from tests.corpora.test_ingest import ingest


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(["one.wav", "two words.wav", "ثلاثة.wav"]):
        write_wav(tmp_path / name, number)
    return tmp_path


def test_a_manifest_gives_labels_speakers_and_facts(folder):
    (folder / "list.csv").write_text(
        "Path,Label,Speaker,Sex,Statement,mood\n"
        "one.wav,فرح,A,F,hello,x\n"
        "./two words.wav,fear,B,,,x\n"
        "ثلاثة.wav,calm,A,male,,x\n",
        encoding="utf-8-sig",
    )
    clips, rejects = ingest(folder, manifest="list.csv")
    assert not rejects
    assert {(clip.label, clip.speaker, clip.sex, clip.statement) for clip in clips.values()} == {
        ("happy", "set-A", "female", "hello"),
        ("fearful", "set-B", None, None),
        ("calm", "set-A", "male", None),
    }


def test_a_manifest_may_lie_outside_the_set(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "list.csv"
    elsewhere.write_text("path,label\none.wav,sad\n")
    clips, rejects = ingest(folder, manifest=elsewhere)
    assert list(clips) == ["one.wav"] and {reject.reason for reject in rejects.values()} == {
        "not in the manifest"
    }


def test_a_label_that_nobody_declared_is_rejected_and_an_alias_mends_it(folder):
    (folder / "list.csv").write_text("path,label\none.wav,grumpy\n")
    _, rejects = ingest(folder, manifest="list.csv")
    assert rejects["one.wav"].reason == "unknown label" and "'grumpy'" in rejects["one.wav"].detail
    assert ingest(folder, manifest="list.csv", aliases={"Grumpy": "neutral"})[0]["one.wav"].label == "neutral"


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("file,label\na,b\n", "no column path; it has file, label"),
        ("path,label\n../one.wav,sad\n", "line 2: '../one.wav' is not a path inside the set's folder"),
        ("path,label\n/one.wav,sad\n", "not a path inside"),
        ("path,label\none.wav,sad\none.wav,sad\n", "line 3: one.wav is there twice: see"),
        ("path,label,sex\none.wav,sad,x\n", "line 2: sex 'x'"),
        ("path,label,age\none.wav,sad,old\n", "line 2: age 'old': write whole years"),
        ("", "cannot read the manifest"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_an_error_that_says_where(folder, table, fault):
    (folder / "list.csv").write_text(table)
    with pytest.raises(MferError, match=re.escape(fault)):
        ingest(folder, manifest="list.csv")


def test_a_missing_manifest_is_an_error(folder):
    with pytest.raises(MferError, match=r"none\.csv"):
        ingest(folder, manifest="none.csv")


def test_a_manifest_names_files_as_another_system_writes_them(folder):
    """A Mac's zip decomposes names, editors add marks of direction, Windows writes backslashes and any
    case.
    """
    (folder / "one.wav").rename(folder / unicodedata.normalize("NFD", "élan.wav"))
    (folder / "in").mkdir()
    (folder / "two words.wav").rename(folder / "in" / "two words.wav")
    rows = ["élan.wav,sad", "In\\Two Words.WAV,calm", f"\u200f{folder.absolute() / 'ثلاثة.wav'},happy"]
    (folder / "list.csv").write_text("\n".join(["path,label", *rows]))
    clips, rejects = ingest(folder, manifest="list.csv")
    assert not rejects
    assert {path: clip.label for path, clip in clips.items()} == {
        unicodedata.normalize("NFD", "élan.wav"): "sad",
        "in/two words.wav": "calm",
        "ثلاثة.wav": "happy",
    }


def test_a_name_that_could_be_two_files_is_neither_and_a_near_miss_is_named(folder):
    for name in ("A.wav", "a.WAV"):
        write_wav(folder / name, ord(name[0]))
    (folder / "list.csv").write_text("path,label\na.wav,sad\ndata/raw/mine/one.wav,sad\n")
    clips, rejects = ingest(folder, manifest="list.csv")
    assert not clips
    assert rejects["a.wav"].reason == "missing file"
    assert rejects["data/raw/mine/one.wav"].detail == "named by the manifest; is one.wav meant?"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("happy/joy/1.wav", None),
        ("sad/calm room/1.wav", None),
        ("happy/normal/1.wav", "folders disagree"),
        ("sad/x/Joy/1.wav", "folders disagree"),
        ("happy/clip_12_sad_ending.wav", "folder and name disagree"),
    ],
)
def test_folders_that_mean_different_labels_are_a_conflict(tmp_path, path, reason):
    write_wav(tmp_path / path)
    clips, rejects = ingest(tmp_path)
    assert [reject.reason for reject in rejects.values()] == ([reason] if reason else [])
    assert [clip.label for clip in clips.values()] == ([] if reason else [path.split("/")[0]])


def test_the_report_says_which_speakers_are_one(folder):
    (folder / "list.csv").write_text(
        "path,label,speaker\none.wav,sad,Amal\ntwo words.wav,calm,amal \nثلاثة.wav,sad,B\n"
    )
    corpus = Corpus(adapter="custom", source="local", path=folder, manifest="list.csv")
    ingested = ingest_corpus("set", corpus, 1)
    assert {clip.speaker for clip in ingested.clips} == {"set-Amal", "set-B"}
    assert ingested.notes == ["speaker 'Amal' is taken for one person with 'amal'"]


@pytest.mark.parametrize("suffix", sorted(SOUND | VIDEO))
def test_every_kind_of_media_is_read_by_its_content(tmp_path, suffix):
    """The content decides: sound is sound under any of the names that recordings have, and also under
    none.
    """
    for name in (f"calm/1{suffix}", f"calm/2{suffix.upper()}", "calm/3", "calm/4.dat"):
        write_wav(tmp_path / f"{name}.tmp", int(name[5])).rename(tmp_path / name)
    (tmp_path / "calm" / "5.jpg").write_bytes(b"no sound")
    clips, rejects = ingest(tmp_path)
    assert len(clips) == 4 and [reject.reason for reject in rejects.values()] == ["not a recording"]
