"""Tiny media files, made by code. Files with different numbers differ in content."""

import wave
from pathlib import Path

import av
import numpy as np

VIDEO_CODECS = {
    ".mp4": "libx264",
    ".mov": "libx264",
    ".mkv": "libx264",
    ".avi": "mpeg4",
    ".webm": "libvpx",
    ".flv": "flv",
}
AUDIO_CODECS = {
    ".mp4": "aac",
    ".mov": "aac",
    ".mkv": "aac",
    ".m4a": "aac",
    ".avi": "libmp3lame",
    ".mp3": "libmp3lame",
    ".flv": "libmp3lame",
}
AUDIO_CODECS |= {".webm": "libopus", ".flac": "flac"}


def write_wav(
    path: Path, number: int = 0, rate: int = 16000, channels: int = 1, seconds: float = 0.1
) -> Path:
    """A tone of its own for each ``number``, 16 bit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    times = np.arange(round(rate * seconds)) / rate
    tone = (8000 * np.sin(2 * np.pi * (100 + number) * times)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(np.repeat(tone, channels).tobytes())
    return path


def write_media(
    path: Path,
    number: int = 0,
    video: bool = True,
    audio: bool = True,
    rate: int = 44100,
    seconds: float = 0.4,
    turn: int = 0,
) -> Path:
    """A clip of 64x48 pixels at 10 frames/s, and a tone; ``turn`` is the display rotation in degrees."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rate = 48000 if path.suffix == ".webm" else rate
    with av.open(str(path), "w") as container:
        pictures = _add_video(container, path, turn) if video else None
        sound = (
            container.add_stream(AUDIO_CODECS[path.suffix.lower()], rate=rate, layout="mono")
            if audio
            else None
        )
        if pictures:
            _write_pictures(container, pictures, number, seconds)
        if sound:
            _write_sound(container, sound, number, seconds)
    return path


def write_any(path: Path, number: int = 0) -> Path:
    """What the suffix promises: sound, or a clip with both tracks."""
    if path.suffix.lower() == ".wav":
        return write_wav(path, number)
    return write_media(path, number, video=path.suffix.lower() not in {".flac", ".mp3", ".m4a"})


def _add_video(container, path: Path, turn: int):
    stream = container.add_stream(VIDEO_CODECS[path.suffix.lower()], rate=10)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    if turn:
        stream.set_display_rotation(turn)
    return stream


def _write_pictures(container, stream, number: int, seconds: float) -> None:
    for index in range(round(seconds * 10)):
        pixels = np.full((48, 64, 3), (number * 7 + index) % 256, np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
    container.mux(stream.encode())


def _write_sound(container, stream, number: int, seconds: float) -> None:
    rate = stream.codec_context.sample_rate
    tone = 0.3 * np.sin(2 * np.pi * (100 + number) * np.arange(round(rate * seconds)) / rate)
    planar = stream.codec_context.format.name
    frame = av.AudioFrame.from_ndarray((tone * 32767).astype(np.int16)[None], format="s16", layout="mono")
    frame.sample_rate = rate
    resampler = av.AudioResampler(
        format=planar, layout="mono", rate=rate, frame_size=stream.codec_context.frame_size or None
    )
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(piece))
    container.mux(stream.encode())
