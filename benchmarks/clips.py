"""Recordings for the benchmarks, made on the spot."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.media.recordings import draw_face, tone


def write_ravdess_like(path: Path, seed: int, seconds: float = 3.7) -> Path:
    """1280x720, 29.97 frames per second, H.264 at about 10 Mbit/s, AAC 48 kHz: a nodding face before a grainy
    wall.
    """
    options = {"preset": "veryfast", "b": "10M", "maxrate": "10M", "bufsize": "10M"}
    return _write(path, seed, (1280, 720), Fraction(30_000, 1001), seconds, options, grain=9.0)


def write_small(path: Path) -> Path:
    """320x180, 25 frames per second, 2.5 s."""
    return _write(path, 0, (320, 180), Fraction(25), 2.5, {"preset": "veryfast"}, grain=1.0)


def _write(
    path: Path, seed: int, size: tuple[int, int], rate: Fraction, seconds: float, options: dict, grain: float
) -> Path:
    generator = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate, options=options)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        audio = container.add_stream("aac", rate=48_000, layout="mono")
        for number in range(round(seconds * rate)):
            frame = av.VideoFrame.from_ndarray(
                _picture(size, float(number / rate), grain, generator), "rgb24"
            )
            container.mux(video.encode(frame))
        container.mux(video.encode())
        sound = tone(seconds, 48_000)
        for start in range(0, len(sound), 1024):
            frame = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
            container.mux(audio.encode(frame))
        container.mux(audio.encode())
    return path


def _picture(
    size: tuple[int, int], time_s: float, grain: float, generator: np.random.Generator
) -> np.ndarray:
    width, height = size
    picture = np.full((height, width, 3), (150, 165, 175), np.uint8)
    x, y = width * (0.5 + 0.03 * np.sin(2 * time_s)), height * (0.5 + 0.02 * np.sin(5 * time_s))
    draw_face(picture, round(x), round(y), height // 2)
    noise = generator.standard_normal((height, width, 1), np.float32) * grain
    return np.clip(picture + noise, 0, 255).astype(np.uint8)
