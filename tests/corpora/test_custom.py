import re

import pytest

from mfer_core.base.errors import MferError
from tests.corpora.media_files import write_wav
from tests.corpora.test_ingest import ingest


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(["one.wav", "two words.wav", "ثلاثة.wav"]):
        write_wav(tmp_path / name, number)
    return tmp_path


def test_a_manifest_gives_labels_speakers_and_facts(folder):
    (folder / "list.csv").write_text(
        "Path,Label,Speaker,Sex,Statement,mood\none.wav,فرح,A,F,hello,x\n./two words.wav,fear,B,,,x\nثلاثة.wav,calm,A,male,,x\n",
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
    (folder / "list.csv").write_text("path,label\none.wav,bored\n")
    _, rejects = ingest(folder, manifest="list.csv")
    assert rejects["one.wav"].reason == "unknown label" and "'bored'" in rejects["one.wav"].detail
    assert ingest(folder, manifest="list.csv", aliases={"Bored": "neutral"})[0]["one.wav"].label == "neutral"


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("file,label\na,b\n", "no column path; it has file, label"),
        ("path,label\n../one.wav,sad\n", "row 1: '../one.wav' is not a path inside the set's folder"),
        ("path,label\n/one.wav,sad\n", "not a path inside"),
        ("path,label\none.wav,sad\none.wav,sad\n", "row 2: one.wav is there twice"),
        ("path,label,sex\none.wav,sad,x\n", "row 1: sex 'x'"),
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


@pytest.mark.parametrize(("pattern", "fault"), [("(", "not a regular expression"), ("P1", "needs a group")])
def test_a_speaker_pattern_that_cannot_work_is_an_error(folder, pattern, fault):
    with pytest.raises(MferError, match=fault):
        ingest(folder, speaker_pattern=pattern)
