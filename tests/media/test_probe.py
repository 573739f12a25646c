import pytest

from benchmarks.mutations import mutations, outcome
from mfer_core.base.errors import ClipError
from mfer_core.media.probe import Media, _plausible_rate, probe
from tests.corpora.media_files import write_any, write_media, write_wav


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".avi", ".mkv", ".webm", ".flv", ".MP4"])
def test_clips_with_both_tracks(tmp_path, suffix):
    media = probe(write_any(tmp_path / f"صوت و صورة{suffix}"))
    assert (media.has_video, media.has_audio, media.width, media.height) == (True, True, 64, 48)
    assert media.duration_s == pytest.approx(0.4, abs=0.06)
    assert media.rate == pytest.approx(10) and media.sample_rate in (44100, 48000)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".m4a"])
def test_sound_has_neither_size_nor_rate(tmp_path, suffix):
    media = probe(write_any(tmp_path / f"a{suffix}"))
    assert (media.has_video, media.has_audio, media.width, media.height, media.rate) == (
        False,
        True,
        None,
        None,
        None,
    )


def test_stereo_is_sound_like_any_other(tmp_path):
    assert probe(write_wav(tmp_path / "a.wav", rate=48000, channels=2)) == Media(
        has_audio=True, duration_s=0.1, sample_rate=48000
    )


def test_video_without_sound(tmp_path):
    media = probe(write_media(tmp_path / "a.mp4", audio=False))
    assert media.has_video and not media.has_audio and media.sample_rate is None


@pytest.mark.parametrize(("turn", "size"), [(90, (48, 64)), (-90, (48, 64)), (180, (64, 48))])
def test_the_size_is_the_displayed_one(tmp_path, turn, size):
    media = probe(write_media(tmp_path / "phone.mp4", turn=turn))
    assert (media.width, media.height) == size


def test_a_recording_without_a_duration_is_measured_by_its_timestamps(tmp_path):
    path = write_media(tmp_path / "a.mkv", audio=False, seconds=1.0)
    path.write_bytes(
        path.read_bytes().replace(b"\x44\x89\x88", b"\xec\x81\x00", 1).replace(b"DURATION", b"IGNORED_")
    )
    assert probe(path).duration_s == pytest.approx(1.0, abs=0.11)


@pytest.mark.parametrize(
    ("claimed", "believed"), [(None, None), (0, None), (-1, None), (90000, None), (29.97, 29.97)]
)
def test_impossible_rates_are_unknown(claimed, believed):
    assert _plausible_rate(claimed) == believed


def test_a_cover_picture_is_no_video(tmp_path):
    import av

    path, source = tmp_path / "song.m4a", write_any(tmp_path / "plain.m4a")
    with av.open(str(source)) as plain, av.open(str(path), "w", format="mp4") as song:
        sound = song.add_stream_from_template(plain.streams.audio[0])
        cover = song.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt, cover.disposition = (
            16,
            16,
            "yuvj420p",
            av.stream.Disposition.attached_pic,
        )
        for packet in cover.encode(av.VideoFrame(16, 16, "yuvj420p")):
            song.mux(packet)
        for packet in plain.demux():
            if packet.dts is not None:
                packet.stream = sound
                song.mux(packet)
    assert not probe(path).has_video and probe(path).has_audio


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs pointer"),
        (b"RIFF" + bytes(200), "unreadable"),
    ],
)
def test_placeholders_and_broken_files_say_what_they_are(tmp_path, content, reason):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(ClipError, match=reason):
        probe(tmp_path / "a.wav")
    with pytest.raises(ClipError, match="missing file"):
        probe(tmp_path / "b.wav")


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_cut_off_mp4_is_unreadable(tmp_path, share):
    path = write_media(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[: round(path.stat().st_size * share)])
    with pytest.raises(ClipError, match="unreadable"):
        probe(path)


def test_damaged_headers_are_answered_or_refused(tmp_path):
    """In full: python -m benchmarks.mutations."""
    whole = write_media(tmp_path / "whole.mp4").read_bytes()
    results = [outcome(data, tmp_path / "a.mp4") for data in mutations(whole, 60, seed=0)]
    assert not [result for result in results if result.startswith("FAULT")]
    assert results.count("accepted") > 30
