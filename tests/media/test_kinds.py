"""Kinds of recordings that every player plays and that were once refused or misread."""

import struct

import av
import numpy as np
import pytest

from benchmarks.known_recordings import run_ffmpeg
from mfer_core.base.errors import ClipError
from mfer_core.media.clip import extract_clip
from mfer_core.media.probe import probe
from mfer_core.media.read import decode_image
from tests.media.recordings import number_in, numbered, tone, write_clip

STEADY = range(0, 2000, 40)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """2 s with picture and sound."""
    path = tmp_path_factory.mktemp("kinds") / "clip.mp4"
    return write_clip(path, map(numbered, range(50)), STEADY, tone(2.0, 48_000), sound_rate=48_000)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """3 s of a tone, as a WAV of 48 kHz."""
    path = tmp_path_factory.mktemp("kinds") / "sound.wav"
    return write_clip(path, sound=tone(3.0, 48_000), sound_rate=48_000)


def rows(result) -> list[tuple[float, int]]:
    """Per row: the moment sampled, the number shown then."""
    return [(round(row["time_s"], 3), number_in(decode_image(row["image"]))) for row in result.frames]


def heard_s(result) -> float:
    """How long the tone is heard, seconds: all of it but the zero crossings is above a sixteenth of its
    peak.
    """
    return float((np.abs(result.waveform["samples"].astype(int)) > 1000).sum() / 16_000)


@pytest.mark.parametrize("size", [0x7FFFFFFF, 0x7FFFF000, 0x80000024, 0xFFFFFFFF, 0x7FFF0024])
def test_sizes_of_a_streamed_wav_are_no_promise(tmp_path, settings, sound, size):
    data = bytearray(sound.read_bytes())
    offset = data.index(b"data")
    data[4:8], data[offset + 4 : offset + 8] = (
        struct.pack("<I", size),
        struct.pack("<I", max(0, size - offset - 8)),
    )
    (tmp_path / "a.wav").write_bytes(data)
    assert extract_clip(tmp_path / "a.wav", settings).facts["duration_s"] == pytest.approx(3.0, abs=0.01)
    assert probe(tmp_path / "a.wav").duration_s == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize(
    "name",
    ["adpcm_ima_wav.wav", "adpcm_ms.wav", "wmav1.wma", "wmav2.wma", "wmav2.avi", "wmav2.wmv"],
)
def test_frames_without_times_are_placed(tmp_path, settings, sound, name):
    codec = name.split(".")[0]
    path = tmp_path / name
    run_ffmpeg("-i", sound, "-ar", 44_100, "-ac", 1, "-c:a", codec, path)
    result = extract_clip(path, settings)
    assert result.facts["duration_s"] == pytest.approx(3.0, abs=0.1)
    assert heard_s(result) == pytest.approx(3.0, rel=0.1)


def test_an_estimated_duration_is_no_promise(tmp_path, settings):
    """Silence first: FFmpeg takes its low bit rate for that of the whole file."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 8 * 48_000).astype(np.float32)
    whole = write_clip(
        tmp_path / "a.wav", sound=np.concatenate([np.zeros(96_000, np.float32), noise]), sound_rate=48_000
    )
    path = tmp_path / "a.mp3"
    run_ffmpeg("-i", whole, "-q:a", 2, "-write_xing", 0, path)
    with av.open(str(path)) as container:
        assert container.duration / av.time_base > 15
    limited = settings.model_copy(update={"max_duration_s": 12.0})
    assert extract_clip(path, limited).facts["duration_s"] == pytest.approx(10.0, abs=0.1)
    assert probe(path).duration_s == pytest.approx(10.0, abs=0.1)


def test_a_counted_mp3_that_is_cut_off_is_said_to_be(tmp_path, settings, sound):
    run_ffmpeg("-i", sound, "-q:a", 2, tmp_path / "whole.mp3")
    data = (tmp_path / "whole.mp3").read_bytes()
    (tmp_path / "a.mp3").write_bytes(data[: len(data) // 2])
    with pytest.raises(ClipError, match="truncated"):
        extract_clip(tmp_path / "a.mp3", settings)


@pytest.fixture(scope="module")
def subtitled(clip):
    """Subtitles that end after the film."""
    text, path = clip.with_suffix(".srt"), clip.with_name("subtitled.mkv")
    text.write_text("1\n00:00:00,500 --> 00:00:30,000\nwords\n")
    run_ffmpeg("-i", clip, "-i", text, "-c:v", "copy", "-c:a", "copy", path)
    return path


def test_streams_that_are_not_used_decide_nothing(settings, subtitled):
    result = extract_clip(subtitled, settings.model_copy(update={"max_duration_s": 5.0}))
    assert result.facts["duration_s"] == pytest.approx(2.0, abs=0.05)
    assert probe(subtitled).duration_s == pytest.approx(2.0, abs=0.05)
    assert [number for _, number in rows(result)] == list(range(0, 50, 5))


@pytest.mark.parametrize("late", ["picture", "sound"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_times_count_from_the_earlier_of_picture_and_sound(tmp_path, settings, suffix, late):
    picture_ms, sound_ms = (3000, 0) if late == "picture" else (0, 3000)
    path = write_clip(
        tmp_path / f"a.{suffix}",
        map(numbered, range(50)),
        [when + picture_ms for when in STEADY],
        tone(2.0),
        sound_start_ms=sound_ms,
    )
    result = extract_clip(path, settings)
    assert [number for _, number in rows(result)] == list(range(0, 50, 5))
    assert [when for when, _ in rows(result)] == pytest.approx(
        np.arange(10) / 5 + picture_ms / 1000, abs=0.07
    )
    onset = np.flatnonzero(np.abs(result.waveform["samples"].astype(int)) > 3000)[0] / 16_000
    assert result.waveform["offset_s"] + onset == pytest.approx(sound_ms / 1000, abs=0.07)
    assert result.facts["duration_s"] == pytest.approx(5.0, abs=0.1)
    assert probe(path).duration_s == pytest.approx(5.0, abs=0.1)


def test_picture_and_sound_that_lie_too_far_apart_are_too_long(tmp_path, settings):
    times = [when + 30_000 for when in STEADY]
    path = write_clip(tmp_path / "a.mkv", map(numbered, range(50)), times, tone(2.0))
    with pytest.raises(ClipError, match="too long"):
        extract_clip(path, settings.model_copy(update={"max_duration_s": 10.0}))


@pytest.fixture(scope="module")
def two_sounds(clip):
    """A silent sound stream and then, as the default, the tone."""
    path = clip.with_name("two.mkv")
    silence = ("-f", "lavfi", "-t", 2, "-i", "anullsrc=r=48000:cl=mono")
    maps = ("-map", "0:v", "-map", "1:a", "-map", "0:a", "-disposition:a:0", 0, "-disposition:a:1", "default")
    run_ffmpeg("-i", clip, *silence, *maps, "-c:v", "copy", path)
    return path


def undecodable(source, path, *codecs: bytes) -> None:
    """Copy an MP4, the first stream of each of ``codecs`` under a name that no decoder knows."""
    data = source.read_bytes()
    for name, settings in ((b"mp4a", b"esds"), (b"avc1", b"avcC")):
        if name in codecs:
            data = data.replace(name, b"apac", 1).replace(settings, b"free", 1)
    path.write_bytes(data)


def test_the_default_stream_is_used_and_the_others_are_said(settings, two_sounds):
    result = extract_clip(two_sounds, settings)
    assert heard_s(result) == pytest.approx(2.0, rel=0.1)
    assert result.facts["notes"] == "2 sound streams: number 2 is used"


def test_a_stream_without_a_decoder_is_passed_over(tmp_path, settings, clip, two_sounds):
    run_ffmpeg("-i", clip, "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy", tmp_path / "two.mov")
    undecodable(tmp_path / "two.mov", tmp_path / "first.mov", b"mp4a")
    result = extract_clip(tmp_path / "first.mov", settings)
    assert heard_s(result) == pytest.approx(2.0, rel=0.1)
    assert "a sound stream has no decoder and is left out" in result.facts["notes"]
    undecodable(clip, tmp_path / "only.mp4", b"mp4a")
    result = extract_clip(tmp_path / "only.mp4", settings)
    assert (result.facts["frame_count"], result.waveform) == (10, None)
    media = probe(tmp_path / "only.mp4")
    assert (media.has_video, media.has_audio) == (True, False)
    assert media.duration_s == pytest.approx(2.0, abs=0.01)


def test_a_data_stream_such_as_a_camera_adds_is_passed_over(tmp_path, settings, clip):
    run_ffmpeg("-i", clip, "-c", "copy", "-timecode", "01:00:00:00", tmp_path / "a.mov")
    with av.open(str(tmp_path / "a.mov")) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio", "data"]
    result = extract_clip(tmp_path / "a.mov", settings)
    assert (len(result.frames), result.facts["detail"]) == (10, None)
    assert probe(tmp_path / "a.mov").duration_s == pytest.approx(2.0, abs=0.05)


def test_sound_that_nothing_decodes_is_refused(tmp_path, settings):
    whole = write_clip(tmp_path / "whole.m4a", sound=tone(1.0))
    undecodable(whole, tmp_path / "a.m4a", b"mp4a")
    for read in (probe, lambda path: extract_clip(path, settings)):
        with pytest.raises(ClipError, match="no decoder"):
            read(tmp_path / "a.m4a")


def test_a_cover_that_is_a_plain_stream_is_left_out(tmp_path, settings):
    path = write_clip(tmp_path / "a.m4a", [numbered(3)], [0], tone(3.0), claimed_rate=25)
    result = extract_clip(path, settings)
    assert result.frames == []
    assert "taken for a cover" in result.facts["notes"]
    assert not probe(path).has_video


def test_one_picture_for_long_is_said(tmp_path, settings):
    path = write_clip(tmp_path / "a.mkv", [numbered(3)], [0], tone(3.0), claimed_rate=25)
    result = extract_clip(path, settings)
    assert [number for _, number in rows(result)] == [3]
    assert result.facts["notes"] == "one picture stands for 3.0 s"


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_the_last_picture_stands_as_long_as_the_file_says(tmp_path, settings, clip, suffix):
    path = tmp_path / f"a.{suffix}"
    with av.open(str(clip)) as source, av.open(str(path), "w") as still:
        stream = still.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        packets[-1].duration *= 100  # of 40 ms; it is the last to be decoded, not the last to be shown
        for packet in packets:
            packet.stream = stream
            still.mux(packet)
    result = extract_clip(path, settings)
    assert [number for _, number in rows(result)] == [*range(0, 50, 5), *[49] * 20]
    assert result.facts["duration_s"] == pytest.approx(5.96, abs=0.05)


@pytest.mark.parametrize("suffix", ["ts", "mpg"])
def test_recordings_put_one_after_the_other_are_one(tmp_path, settings, suffix):
    parts = []
    for first in (0, 50):
        sound = tone(2.0, 48_000, level=0.2 if first else 0.6)
        source = write_clip(
            tmp_path / f"{first}.mkv",
            map(numbered, range(first, first + 50)),
            STEADY,
            sound,
            sound_rate=48_000,
        )
        parts.append(tmp_path / f"{first}.{suffix}")
        codecs = ("libx264", "aac") if suffix == "ts" else ("mpeg2video", "mp2")
        run_ffmpeg("-i", source, "-c:v", codecs[0], "-q:v", 2, "-c:a", codecs[1], parts[-1])
    path = tmp_path / f"joined.{suffix}"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    result = extract_clip(path, settings)
    assert [number for _, number in rows(result)] == list(range(0, 100, 5))
    assert result.facts["duration_s"] == pytest.approx(4.0, abs=0.1)
    loud = np.flatnonzero(np.abs(result.waveform["samples"].astype(int)) > 10_000)[-1] / 16_000
    assert loud + result.waveform["offset_s"] - rows(result)[0][0] == pytest.approx(2.0, abs=0.06)
    assert probe(path).duration_s == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("name", ["a:b.wav", "100%d?#.wav", "-x.wav", b"\xff\xfe.wav", "n" * 250 + ".wav"])
def test_a_name_is_only_a_name(tmp_path, settings, sound, name):
    import os

    path = tmp_path / os.fsdecode(name)
    path.write_bytes(sound.read_bytes())
    assert extract_clip(path, settings).facts["duration_s"] == pytest.approx(3.0)
    assert probe(path).duration_s == pytest.approx(3.0)
