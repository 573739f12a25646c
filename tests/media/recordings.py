"""Tiny recordings made on the spot: pictures that carry their own number, drawn faces, tones."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

TICK = Fraction(1, 1000)
SIZE = (160, 120)  # width, height
BLOCK = 40  # pixels: nine blocks, a bit each, fill the central square


def numbered(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """RGB picture whose central square shows ``number`` (0..511) as nine black or white blocks."""
    picture = np.full((size[1], size[0], 3), 90, np.uint8)
    left, top = (size[0] - 3 * BLOCK) // 2, (size[1] - 3 * BLOCK) // 2
    for bit in range(9):
        x, y = left + bit % 3 * BLOCK, top + bit // 3 * BLOCK
        picture[y : y + BLOCK, x : x + BLOCK] = 235 if number >> bit & 1 else 20
    return picture


def number_in(crop: np.ndarray) -> int:
    """The number that a centre crop of ``numbered`` shows."""
    third = len(crop) // 3
    bits = [crop[bit // 3 * third + third // 2, bit % 3 * third + third // 2] > 128 for bit in range(9)]
    return sum(int(bit) << index for index, bit in enumerate(bits))


def draw_face(picture: np.ndarray, x: int, y: int, height: int) -> None:
    """Draw a plain face, ``height`` pixels high, centred at (x, y), into an RGB picture."""
    unit = height / 100

    def ellipse(dx: float, dy: float, rx: float, ry: float, colour: tuple) -> None:
        centre, axes = (
            (round(x + dx * unit), round(y + dy * unit)),
            (max(1, round(rx * unit)), max(1, round(ry * unit))),
        )
        cv2.ellipse(picture, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA)

    skin, hair, dark = (214, 170, 140), (50, 35, 28), (45, 28, 20)
    ellipse(0, -12, 42, 46, hair)
    ellipse(0, 2, 35, 47, skin)
    ellipse(0, -40, 28, 10, hair)
    for side in (-1, 1):
        ellipse(side * 15, -17, 10, 2.5, hair)
        ellipse(side * 15, -8, 8, 4.5, (245, 245, 245))
        ellipse(side * 15, -8, 4.5, 4.5, dark)
        ellipse(side * 4, 14, 2.5, 1.5, (120, 80, 60))
    ellipse(0, 6, 4, 10, (186, 140, 112))
    ellipse(0, 28, 13, 5, (160, 60, 60))
    ellipse(0, 28, 10, 1, dark)


def face_picture(*faces: tuple[int, int, int], size: tuple[int, int] = (320, 180)) -> np.ndarray:
    """RGB picture with faces, each x, y, height."""
    picture = np.full((size[1], size[0], 3), (150, 165, 175), np.uint8)
    for face in faces:
        draw_face(picture, *face)
    return cv2.GaussianBlur(picture, (0, 0), 0.8)


def tone(seconds: float, rate: int = 16_000, level: float = 0.5) -> np.ndarray:
    """float32 [N], 440 Hz."""
    return (level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write_clip(
    path: Path,
    pictures: Iterable[np.ndarray] = (),
    times_ms: Iterable[int] = (),
    sound: np.ndarray | None = None,
    sound_start_ms: int = 0,
    sound_rate: int = 16_000,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    aspect: Fraction | None = None,
    rotation: int | None = None,
    claimed_rate: int = 25,
    options: dict | None = None,
    container_options: dict | None = None,
) -> Path:
    """Write RGB pictures at ``times_ms`` and mono float32 ``sound``; packets are interleaved as they come."""
    pictures = list(pictures)
    with av.open(str(path), "w", options=container_options or {}) as container:
        if pictures:
            video = container.add_stream(codec, rate=claimed_rate, options=options or {})
            video.height, video.width = pictures[0].shape[:2]
            video.pix_fmt, video.codec_context.time_base = pix_fmt, TICK
            if aspect:
                video.codec_context.sample_aspect_ratio = aspect
            if rotation:
                video.set_display_rotation(rotation)
        if sound is not None:
            audio = container.add_stream(
                "pcm_s16le" if path.suffix in (".wav", ".mkv", ".avi") else "aac",
                rate=sound_rate,
                layout="mono",
            )
        if pictures:
            _encode_pictures(container, video, pictures, times_ms, pix_fmt)
        if sound is not None:
            _encode_sound(container, audio, sound, sound_start_ms, sound_rate)
    return path


def _encode_pictures(
    container, stream, pictures: list[np.ndarray], times_ms: Iterable[int], pix_fmt: str
) -> None:
    for picture, when in zip(pictures, times_ms, strict=True):
        frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pix_fmt)
        frame.pts, frame.time_base = when, TICK
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def _encode_sound(container, stream, sound: np.ndarray, start_ms: int, rate: int) -> None:
    first = start_ms * rate // 1000
    for start in range(0, len(sound), 1024):
        frame = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, first + start, Fraction(1, rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
