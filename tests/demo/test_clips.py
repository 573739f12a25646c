"""What is in the clips: streams as in the real files, faces that MTCNN finds, voices that Silero accepts."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import resample_poly
from silero_vad import get_speech_timestamps, load_silero_vad

from demo.clips import write_clip
from demo.plans import clips
from mfer_core.media.detector import FaceDetector


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> list[Path]:
    """Two clips of eight actors, and one of each of five people of the custom set."""
    folder = tmp_path_factory.mktemp("videos")
    chosen = [*clips("ravdess", 8, 2, seed=3), *clips("custom", 5, 1, seed=3)]
    return [folder / write_clip(folder, clip, seed=3) for clip in chosen]


def pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def sound(path: Path) -> tuple[np.ndarray, int]:
    if path.suffix.lower() == ".wav":
        return soundfile.read(path, dtype="float32")
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)]), rate


def test_streams_are_those_of_the_real_files(videos):
    for path in videos:
        with av.open(str(path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert (video.codec.name, audio.codec.name) == ("h264", "aac")
            assert video.average_rate == Fraction(30000, 1001)
            assert (video.width, video.height) == (320, 180)
            assert audio.rate == (48_000 if path.suffix == ".mp4" else 44_100)
            assert 1.9 < float(container.duration / av.time_base) < 3.05
            assert (
                abs(float(video.duration * video.time_base) - float(audio.duration * audio.time_base)) < 0.1
            )


def test_crema_d_with_pictures_is_flash_video_as_the_real_one(tmp_path):
    (planned,) = clips("crema_d", 1, 1, seed=3, pictures=True)
    path = tmp_path / write_clip(tmp_path, planned, seed=3)
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert video.codec.name == "flv" and audio.codec.name.startswith("mp3") and audio.rate == 44_100
    (heard,) = clips("crema_d", 1, 1, seed=3)
    same, rate = sound(tmp_path / write_clip(tmp_path, heard, seed=3))
    samples, flash_rate = sound(path)
    assert len(samples) / flash_rate == pytest.approx(len(same) / rate, abs=0.15), (
        "sound alone is the same take"
    )
    assert np.mean([len(FaceDetector().detect(picture)) == 1 for picture in pictures(path)[5::30]]) == 1


def test_mtcnn_finds_the_one_face_in_nearly_every_frame(videos):
    detector = FaceDetector()
    counts = {path: [len(detector.detect(picture)) for picture in pictures(path)[5::30]] for path in videos}
    in_studio = [count for path, faces in counts.items() if path.suffix == ".mp4" for count in faces]
    at_home = [count for path, faces in counts.items() if path.suffix == ".mov" for count in faces]
    assert np.mean(np.array(in_studio) == 1) > 0.95
    assert np.mean(np.array(at_home) == 1) > 0.8


def test_silero_hears_speech_and_the_silence_around_it(videos, tmp_path):
    voices = [
        tmp_path / write_clip(tmp_path, clip, seed=3)
        for name in ("crema_d", "shemo", "sdc", "urdu")
        for clip in clips(name, 3, 2, seed=3)
    ]
    vad, spoken = load_silero_vad(), []
    for path in [*videos, *voices]:
        samples, rate = sound(path)
        factor = np.gcd(rate, 16_000)
        mono = torch.from_numpy(resample_poly(samples, 16_000 // factor, rate // factor).astype(np.float32))
        speech = get_speech_timestamps(mono, vad)
        spoken.append(sum(part["end"] - part["start"] for part in speech) / len(mono))
    assert np.mean(np.array(spoken) > 0.3) > 0.95
    assert np.median(spoken) < 0.95


def test_lips_move_while_the_voice_sounds(videos):
    frames = np.array(pictures(videos[0]), np.float32)
    change = np.abs(np.diff(frames[:, 100:140, 130:190], axis=0)).mean(axis=(1, 2, 3))
    samples, _ = sound(videos[0])
    loud = np.array([np.abs(chunk).mean() for chunk in np.array_split(samples, len(change))])
    assert change[loud > loud.max() / 4].mean() > change[loud < loud.max() / 50].mean()
