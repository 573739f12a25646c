"""Recordings of known truth, one of a kind; some hundreds more: python -m benchmarks.silent_wrong."""

from dataclasses import replace

import pytest

from benchmarks.known_plans import Plan
from benchmarks.silent_wrong import FRAMES_PER_SECOND, examine

PLANS = [
    Plan("mp4", "libx264", "aac", reordered=True, sound_rate=44_100),
    Plan("mp4", "libx264", "aac", picture_rate="30000/1001", change="cut"),
    Plan("mov", "mpeg4", "pcm_s16le", variable=True, picture_late=1.3, sound_rate=22_050),
    Plan("mov", "mjpeg", "aac", rotation=90),
    Plan("mkv", "libx264", "libopus", sound_late=1.1, reordered=True),
    Plan("mkv", "mpeg4", "flac", picture_late=0.7, sound_rate=44_099),
    Plan("mkv", "libx264", "aac", change="sound hole"),
    Plan("webm", "libvpx", "libvorbis", variable=True, sound_rate=32_000),
    Plan("avi", "libx264", "libmp3lame", reordered=True),
    Plan("avi", "mpeg4", "ac3", reordered=True, picture_rate="12.5"),
    Plan("ts", "mpeg2video", "mp2", reordered=True, change="concatenated"),
    Plan("ts", "libx264", "aac", picture_late=1.5, variable=True),
    Plan("mpg", "mpeg1video", "mp2", picture_rate="24"),
    Plan("flv", "libx264", "aac", sound_late=0.9, change="joined", sound_rate=22_050),
    Plan("wmv", "wmv2", "wmav2", picture_late=1.2),
    Plan("ogv", "libtheora", "libvorbis"),
    Plan("wma", None, "wmav1", sound_rate=22_050),
    Plan("wav", None, "adpcm_ms", sound_rate=11_025),
    Plan("amr", None, "libopencore_amrnb", sound_rate=8_000),
    Plan("mp3", None, "libmp3lame", change="joined"),
]


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_pictures_and_sound_are_where_they_were_made(tmp_path, settings, plan):
    settings = settings.model_copy(update={"frames_per_second": FRAMES_PER_SECOND, "image_format": "png"})
    assert examine(replace(plan, seconds=2.0), tmp_path, "a", settings) == ("right", [])
