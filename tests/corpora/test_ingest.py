import os
import shutil
import socket
import unicodedata
from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfer_core.base.errors import MferError
from mfer_core.base.manifest import summarise, write_rejects
from mfer_core.base.settings import Corpus
from mfer_core.corpora import contract
from mfer_core.corpora.ingest import clip_ids, ingest_corpus
from mfer_core.media.probe import probe
from tests.corpora.media_files import write_any, write_wav

names = st.text(
    st.characters(exclude_characters="\0/", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=3
).filter(lambda text: text not in {".", ".."})
stems = st.sampled_from(["a", "b", "a.wav", "c d", "é"]) | names
paths = st.builds(
    lambda folders, stem, suffix: "/".join([*folders, stem + suffix]),
    st.lists(names, max_size=2),
    stems,
    st.sampled_from([".wav", ".mp4", ""]),
)


def ingest(folder, adapter="custom", **settings):
    clips, rejects, _ = ingest_corpus(
        "set", Corpus(adapter=adapter, source="local", path=folder, **settings), workers=2
    )
    return {clip.path: clip for clip in clips}, {reject.path: reject for reject in rejects}


@pytest.fixture
def in_process(monkeypatch):
    """Files are measured by this process itself."""
    pool = SimpleNamespace(map=lambda function, items, limit_s: map(function, items))
    monkeypatch.setattr(contract, "shared_workers", lambda *_: pool)


@given(st.lists(paths, unique_by=lambda path: unicodedata.normalize("NFC", path)))
def test_clip_ids_are_unique_and_do_not_depend_on_order(names):
    ids = clip_ids(names)
    assert set(ids) == set(names) and len(set(ids.values())) == len(names)
    assert clip_ids(names[::-1]) == ids


def test_clip_ids_are_stems_where_stems_differ():
    assert clip_ids(["Actor_01/x.wav", "y.wav"]) == {"Actor_01/x.wav": "x", "y.wav": "y"}
    assert clip_ids(["a/1.wav", "b/1.wav", "b/2.wav"]) == {"a/1.wav": "a/1", "b/1.wav": "b/1", "b/2.wav": "2"}
    assert clip_ids(["a/1.wav", "a/1.mp4"]) == {"a/1.wav": "a/1.wav", "a/1.mp4": "a/1.mp4"}


def test_clip_ids_are_the_same_on_every_file_system():
    ids = [clip_ids([unicodedata.normalize(form, "Zoë/é.wav")]) for form in ("NFC", "NFD")]
    assert list(ids[0].values()) == list(ids[1].values()) == [unicodedata.normalize("NFC", "é")]


def test_of_exact_duplicates_the_first_is_kept_and_named(tmp_path):
    write_wav(tmp_path / "Actor_07/03-01-03-01-02-01-07.wav")
    shutil.copy(
        tmp_path / "Actor_07/03-01-03-01-02-01-07.wav", tmp_path / "Actor_07/03-01-03-01-02-02-07.wav"
    )
    clips, rejects = ingest(tmp_path, "ravdess")
    assert list(clips) == ["Actor_07/03-01-03-01-02-01-07.wav"]
    assert rejects["Actor_07/03-01-03-01-02-02-07.wav"].reason == "duplicate"
    assert "Actor_07/03-01-03-01-02-01-07.wav" in rejects["Actor_07/03-01-03-01-02-02-07.wav"].detail


def test_of_duplicates_with_different_labels_none_is_kept(tmp_path):
    for label in ("happy", "sad"):
        write_wav(tmp_path / label / f"{label}.wav", 1)
    write_wav(tmp_path / "sad/other.wav", 2)
    clips, rejects = ingest(tmp_path)
    assert list(clips) == ["sad/other.wav"]
    assert Counter(reject.reason for reject in rejects.values()) == {"conflicting duplicate": 2}
    assert "sad in sad/sad.wav" in rejects["happy/happy.wav"].detail


@pytest.mark.parametrize(
    ("present", "used", "tracks"),
    [
        (["01 mp4", "02 mp4", "03 wav"], "01 mp4", (True, True)),
        (["02 mp4", "03 wav"], "03 wav", (False, True)),
        (["01 mp4", "03 wav"], "01 mp4", (True, True)),
        (["02 mp4"], "02 mp4", (True, False)),  # its audio track is silent by design
        (["01 mp4", "01 wav"], "01 mp4", (True, True)),  # sound that somebody cut out of the clip
        (["03 wav", "03 flac"], "03 flac", (False, True)),
    ],
)
def test_a_ravdess_take_is_used_once_by_rule(tmp_path, present, used, tracks):
    where = {one: f"{one[:2]}-01-05-02-01-02-11.{one[3:]}" for one in present}
    for number, path in enumerate(where.values()):
        write_any(tmp_path / path, number)
    clips, rejects = ingest(tmp_path, "ravdess")
    assert list(clips) == [where[used]]
    assert (clips[where[used]].has_video, clips[where[used]].has_audio) == tracks
    assert {reject.reason for reject in rejects.values()} <= {"same take"} and len(rejects) == len(
        present
    ) - 1


def test_files_that_never_claim_to_be_clips_are_neither_accepted_nor_rejected(tmp_path):
    write_wav(tmp_path / "calm/1.wav")
    for name in (
        ".DS_Store",
        "calm/._1.wav",
        "README",
        "README.md",
        "LICENSE",
        "calm/list.csv",
        "shemo.json",
        "set.zip",
        "__MACOSX/calm/1.wav",
        ".git/x.wav",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    clips, rejects = ingest(tmp_path)
    assert list(clips) == ["calm/1.wav"] and not rejects


def test_files_of_another_kind_and_files_that_cannot_be_read_are_rejected(tmp_path):
    write_wav(tmp_path / "calm/1.wav")
    for name, content in {
        "calm/2.wav": b"",
        "calm/3.mp4": b"no video",
        "calm/4.exe": b"x",
        "calm/5": b"x",
    }.items():
        (tmp_path / name).write_bytes(content)
    _, rejects = ingest(tmp_path)
    reasons = {path: reject.reason for path, reject in rejects.items()}
    assert reasons == {
        "calm/2.wav": "empty file",
        "calm/3.mp4": "unreadable",
        "calm/4.exe": "not a media file",
        "calm/5": "not a media file",
    }


def test_linked_folders_are_read_and_every_entry_that_is_no_file_has_its_reason(tmp_path):
    write_wav(tmp_path / "elsewhere/1.wav")
    calm = tmp_path / "set/calm"
    write_wav(calm / "2.wav", 2)
    (calm / "more").symlink_to(tmp_path / "elsewhere")
    (calm / "loop").symlink_to(tmp_path / "set")
    (tmp_path / "set/again").symlink_to(calm)
    (calm / "gone.wav").symlink_to(tmp_path / "gone.wav")
    (calm / "circle.wav").symlink_to(calm / "circle.wav")
    os.mkfifo(calm / "pipe.wav")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(calm / "socket.wav"))
    (calm / "null.wav").symlink_to("/dev/null")
    clips, rejects = ingest(tmp_path / "set")
    assert sorted(clips) == ["calm/2.wav", "calm/more/1.wav"]
    assert {path: reject.reason for path, reject in rejects.items()} == {
        "again": "folder read already",
        "calm/loop": "folder read already",
        "calm/gone.wav": "broken link",
        "calm/circle.wav": "broken link",
        "calm/pipe.wav": "not a file",
        "calm/socket.wav": "not a file",
        "calm/null.wav": "not a file",
    }
    assert rejects["again"].detail == "it is calm" and rejects["calm/pipe.wav"].detail == "a named pipe"


def test_a_folder_and_a_file_without_permission_have_their_reason(as_nobody, in_process):
    for name in ("calm/1.wav", "calm/2.wav", "sad/3.wav"):
        write_wav(as_nobody / name, int(name[-5]))
    (as_nobody / "calm/2.wav").chmod(0)
    (as_nobody / "sad").chmod(0)
    clips, rejects = ingest(as_nobody)
    (as_nobody / "sad").chmod(0o755)
    assert list(clips) == ["calm/1.wav"]
    assert {path: reject.reason for path, reject in rejects.items()} == {
        "calm/2.wav": "no permission",
        "sad": "folder not readable",
    }


def test_a_name_that_is_not_utf_8_has_its_reason_and_a_row_that_can_be_written(tmp_path):
    write_wav(tmp_path / "calm/1.wav")
    write_wav(tmp_path / "calm/2.wav", 2).rename(tmp_path / os.fsdecode(b"calm/z\xeb\n.wav"))
    clips, rejects = ingest(tmp_path)
    assert list(clips) == ["calm/1.wav"]
    (reject,) = write_rejects(tmp_path / "rejects.parquet", list(rejects.values())).to_dict("records")
    assert (reject["path"], reject["reason"]) == (r"calm/z\xeb\x0a.wav", "unusable name")


@pytest.mark.parametrize("from_the_root", [True, False])
def test_a_database_cannot_name_a_recording_outside_its_folder(tmp_path, from_the_root):
    private = write_wav(tmp_path / "private.wav")
    inside = write_wav(tmp_path / "set" / "mine.wav", 2)
    named = str(private) if from_the_root else "../private.wav"
    table = "{type: filewise, columns: {emotion: {scheme_id: emotion}}}"
    (tmp_path / "set" / "db.yaml").write_text(f"tables: {{files: {table}}}\n")
    (tmp_path / "set" / "db.files.csv").write_text(f"file,emotion\n{inside.name},sad\n{named},happy\n")
    clips, rejects = ingest(tmp_path / "set", "audformat")
    assert list(clips) == ["mine.wav"]
    assert {path: reject.reason for path, reject in rejects.items()} == {named: "unusable name"}


@pytest.mark.parametrize(
    ("fault", "detail"),
    [
        (OSError(5, "Input/output error"), "Input/output error"),
        (AttributeError("'NoneType' object has no attribute 'sample_rate'"), "AttributeError: 'NoneType'"),
    ],
)
def test_one_file_that_breaks_the_probe_ends_nothing(
    tmp_path, in_process, monkeypatch, caplog, fault, detail
):
    for number in range(3):
        write_wav(tmp_path / f"calm/{number}.wav", number)

    def broken(path):
        if path.name == "1.wav":
            raise fault
        return probe(path)

    monkeypatch.setattr(contract, "probe", broken)
    clips, rejects = ingest(tmp_path)
    assert list(clips) == ["calm/0.wav", "calm/2.wav"]
    assert rejects["calm/1.wav"].reason == "unreadable" and detail in rejects["calm/1.wav"].detail
    assert ("Traceback" in caplog.text) == isinstance(fault, AttributeError), "a bug is logged whole"


def test_a_synthetic_corpus_is_not_read_as_a_real_one(tmp_path):
    write_wav(tmp_path / "calm/1.wav")
    (tmp_path / ".demo.json").write_text("{}")
    with pytest.raises(MferError, match="synthetic"):
        ingest(tmp_path)
    demo = Corpus(
        adapter="custom", source="demo", path=tmp_path, demo={"speakers": 2, "clips_per_speaker": 1}
    )
    assert len(ingest_corpus("set", demo, 1)[0]) == 1


def test_without_speakers_a_person_is_told_what_it_costs(tmp_path, caplog):
    write_wav(tmp_path / "calm/P1_1.wav")
    clips, _ = ingest(tmp_path)
    assert clips["calm/P1_1.wav"].speaker == "set-unknown"
    assert "speaker-disjoint" in caplog.text
    known = Corpus(adapter="custom", source="local", path=tmp_path, speaker_pattern="^(P.)")
    assert ingest_corpus("set", known, 1).notes == []


def test_files_left_out_by_rule_do_not_fail_the_stage_and_faults_do(tmp_path):
    for number, name in enumerate(
        ["01-01-05-01-01-01-02.wav", "03-01-05-01-01-01-02.wav", "03-02-05-01-01-01-02.wav"]
    ):
        write_wav(tmp_path / name, number)
    clips, rejects = ingest(tmp_path, "ravdess")
    table = write_rejects(tmp_path / "rejects.parquet", list(rejects.values()))
    line = summarise("set", "ingest", len(clips), table, 0.1, tmp_path / "rejects.parquet")
    assert line.startswith("ingest set: 3 found = 1 accepted + 2 rejected (")
    (tmp_path / "03-01-06-01-01-01-02.wav").write_bytes(b"")
    clips, rejects = ingest(tmp_path, "ravdess")
    table = write_rejects(tmp_path / "rejects.parquet", list(rejects.values()))
    with pytest.raises(MferError, match=r"rejects_limit=10%: see .*rejects\.parquet"):
        summarise("set", "ingest", len(clips), table, 0.1, tmp_path / "rejects.parquet")
