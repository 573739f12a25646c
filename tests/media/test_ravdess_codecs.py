"""A clip with the codec parameters of RAVDESS's videos, as its files have them: 1280x720 at 30000/1001 frames
per second, H.264 of 10 Mbit/s whose frames are stored out of order, which puts the first one 33 ms before the
start; a frame that an edit list hides; stereo AAC at 48 kHz.
"""

from fractions import Fraction
from math import floor

import av
import cv2
import numpy as np
import pytest

from mfer_core.base.settings import Corpus
from mfer_core.corpora.ingest import ingest_corpus
from mfer_core.media.clip import extract_clip
from mfer_core.media.read import decode_image
from tests.media.recordings import number_in, numbered, tone

RATE, SIZE, FRAMES = Fraction(30000, 1001), (1280, 720), 40
NAME = "01-01-05-02-01-02-11.mp4"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("ravdess") / NAME
    options = {"preset": "ultrafast", "bf": "1", "nal-hrd": "cbr"}
    options |= dict.fromkeys(("b", "minrate", "maxrate", "bufsize"), "10000000")
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        video = container.add_stream("libx264", rate=RATE, options=options)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        audio = container.add_stream("aac", rate=48_000, layout="stereo")
        for number in range(FRAMES):
            picture = cv2.resize(numbered(number, (213, 120)), SIZE)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number - 1, 1 / RATE  # The frame before 0 is hidden.
            container.mux(video.encode(frame))
        container.mux(video.encode())
        sound = np.stack([tone((FRAMES - 1) / float(RATE), 48_000)] * 2)
        for start in range(0, sound.shape[1], 1024):
            part = np.ascontiguousarray(sound[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(part, "fltp", "stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
            container.mux(audio.encode(frame))
        container.mux(audio.encode())
    return path


def test_the_fixture_is_as_the_real_files_are(path):
    with av.open(str(path)) as container:
        assert container.bit_rate == pytest.approx(10e6, rel=0.1)
        first = next(container.demux(container.streams.video[0]))
        assert first.is_discard and first.pts - first.dts == 1001 and first.time_base == Fraction(1, 30000)
        assert container.streams.audio[0].codec_context.layout.name == "stereo"


def test_every_row_shows_the_picture_on_screen_and_the_sound_begins_with_it(path, settings):
    clip = extract_clip(path, settings)
    # A picture that comes within a millisecond of the moment is on screen by then.
    due = [1 + floor((tick / 5 + 0.0011) * RATE) for tick in range(7)]
    shown = [(row["time_s"], number_in(decode_image(row["image"]))) for row in clip.frames]
    assert shown == [(pytest.approx(tick / 5, abs=1e-3), number) for tick, number in enumerate(due)]
    assert clip.facts["duration_s"] == pytest.approx((FRAMES - 1) / float(RATE), abs=0.025)
    assert clip.waveform["offset_s"] == pytest.approx(0, abs=1e-3)
    samples = clip.waveform["samples"]
    assert np.abs(samples[: int(0.05 * clip.waveform["sample_rate"])]).max() > 10_000


def test_it_is_ingested_with_its_facts(path):
    corpus = Corpus(adapter="ravdess", source="local", path=path.parent)
    (clip,), rejects, _ = ingest_corpus("ravdess", corpus, 1)
    assert not rejects and (clip.label, clip.speaker) == ("angry", "ravdess-11")
    assert (clip.width, clip.height, clip.sample_rate) == (*SIZE, 48_000)
    assert clip.rate == pytest.approx(float(RATE))
