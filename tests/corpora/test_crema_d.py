import pytest

from mfer_core.base.errors import MferError
from tests.corpora.media_files import write_media, write_wav
from tests.corpora.test_ingest import ingest


def test_an_flv_that_lasts_a_minute_is_refused_and_its_wav_used(tmp_path):
    write_media(tmp_path / "VideoFlash/1064_IEO_DIS_MD.flv", audio=False, seconds=61)
    write_wav(tmp_path / "AudioWAV/1064_IEO_DIS_MD.wav")
    clips, rejects = ingest(tmp_path, "crema_d")
    assert list(clips) == ["AudioWAV/1064_IEO_DIS_MD.wav"]
    assert rejects["VideoFlash/1064_IEO_DIS_MD.flv"].reason == "too long"


def test_an_flv_brings_both_tracks_and_is_used_before_sound_alone(tmp_path):
    write_media(tmp_path / "VideoFlash/1001_DFA_ANG_XX.flv")
    write_wav(tmp_path / "AudioWAV/1001_DFA_ANG_XX.wav")
    clips, _ = ingest(tmp_path, "crema_d")
    assert [(clip.has_video, clip.has_audio) for clip in clips.values()] == [(True, True)]


def test_the_old_name_with_one_x_is_the_same_take(tmp_path):
    write_wav(tmp_path / "AudioWAV/1040_ITH_SAD_X.wav", 1)
    write_wav(tmp_path / "AudioWAV/1040_ITH_SAD_XX.wav", 2)
    clips, rejects = ingest(tmp_path, "crema_d")
    assert [clip.label for clip in clips.values()] == ["sad"] and [
        reject.reason for reject in rejects.values()
    ] == ["same take"]


def test_a_silent_wav_has_an_audio_track_all_the_same(tmp_path):
    path = write_wav(tmp_path / "1076_MTI_SAD_XX.wav")
    path.write_bytes(path.read_bytes()[:44] + bytes(path.stat().st_size - 44))
    clips, _ = ingest(tmp_path, "crema_d")
    assert clips["1076_MTI_SAD_XX.wav"].has_audio  # that it holds no sound is found when it is decoded


def test_an_unplayable_wav_and_a_blank_mp3_are_rejected_and_the_other_copy_used(tmp_path):
    (tmp_path / "1076_MTI_NEU_XX.wav").write_bytes(b"RIFF\0\0\0\0WAVEgarbage")
    (tmp_path / "1077_MTI_NEU_XX.mp3").write_bytes(b"")
    write_media(tmp_path / "1076_MTI_NEU_XX.mp3", video=False)
    clips, rejects = ingest(tmp_path, "crema_d")
    assert list(clips) == ["1076_MTI_NEU_XX.mp3"]
    assert {path: reject.reason for path, reject in rejects.items()} == {
        "1076_MTI_NEU_XX.wav": "unreadable",
        "1077_MTI_NEU_XX.mp3": "empty file",
    }


def test_git_lfs_pointers_say_how_to_get_the_sound(tmp_path):
    (tmp_path / "1001_DFA_ANG_XX.wav").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 72752\n"
    )
    _, rejects = ingest(tmp_path, "crema_d")
    reject = rejects["1001_DFA_ANG_XX.wav"]
    assert reject.reason == "git-lfs pointer" and "git lfs pull" in reject.detail


def test_what_is_known_of_an_actor_comes_from_the_demographics_and_the_rest_stays_unknown(tmp_path):
    write_wav(tmp_path / "AudioWAV/1002_DFA_ANG_XX.wav", 1)
    write_wav(tmp_path / "AudioWAV/1003_DFA_ANG_XX.wav", 2)

    def people():
        clips, _ = ingest(tmp_path, "crema_d")
        return [(clip.sex, clip.age, clip.race, clip.ethnicity) for _, clip in sorted(clips.items())]

    assert people() == [(None,) * 4] * 2
    demographics = tmp_path / "VideoDemographics.csv"
    demographics.write_bytes(
        '\ufeffActorID,Age,Sex,Race,Ethnicity\r\n1002,21,"Female",African American,Not Hispanic\r\n'
        "1003,,Male,Unknown,\r\n".encode()
    )
    assert people() == [("female", 21, "african american", "not hispanic"), ("male", None, None, None)]
    demographics.write_text("ActorID,Age,Sex\n1002,young,Female\n")
    with pytest.raises(
        MferError, match=r"VideoDemographics.csv: it needs .* Age \(a whole number of years\)"
    ):
        people()


def test_the_crowds_votes_come_from_the_summary_table_ties_and_all(tmp_path):
    write_wav(tmp_path / "AudioWAV/1002_DFA_ANG_XX.wav", 1)
    write_wav(tmp_path / "AudioWAV/1003_DFA_ANG_XX.wav", 2)
    table = tmp_path / "processedResults" / "summaryTable.csv"
    table.parent.mkdir()
    table.write_text(
        '"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel","MultiModalVote","MultiModalLevel"\n'
        '"1","1002_DFA_ANG_XX","A:D","60:50","N","70","A","80"\n'
    )
    clips, _ = ingest(tmp_path, "crema_d")
    votes = [(clip.crowd_audio, clip.crowd_visual, clip.crowd_fused) for _, clip in sorted(clips.items())]
    assert votes == [("angry:disgust", "neutral", "angry"), (None, None, None)]
    table.write_text("FileName,VoiceVote,FaceVote,MultiModalVote\n1002_DFA_ANG_XX,A,X,A\n")
    with pytest.raises(MferError, match=r"summaryTable.csv: it needs .* votes such as A or A:D"):
        ingest(tmp_path, "crema_d")
