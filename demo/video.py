"""Pictures and sound into a file, H.264 + AAC or Flash, whose bytes depend on nothing but its content."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
from av import AudioStream, VideoStream
from av.codec.context import Flags

FRAME_RATE = Fraction(30000, 1001)


@dataclass(frozen=True)
class Codecs:
    """Names of ffmpeg's encoders, and what is set of them."""

    picture: str
    options: dict[str, str]
    sound: str
    sound_options: dict[str, str] = field(default_factory=dict)


H264_AAC = Codecs("libx264", {"preset": "ultrafast", "crf": "23"}, "aac", {"aac_coder": "fast"})
CODECS = {".flv": Codecs("flv", {"b": "600000"}, "libmp3lame")}  # As CREMA-D's: Sorenson's H.263 and MP3.


def write_video(
    path: Path, pictures: Iterable[np.ndarray], sound: np.ndarray, rate: int, size: tuple[int, int]
) -> None:
    """Write uint8 BGRA pictures [height, width, 4] at 30000/1001 per second and mono int16 sound [N] at
    ``rate`` Hz.

    ``size`` is (width, height) in pixels; the suffix of ``path`` (.mp4, .mov or .flv) chooses the container
    and the codecs. Flash takes sound of 44100 Hz.
    """
    codecs = CODECS.get(path.suffix, H264_AAC)
    with av.open(str(path), "w", format=path.suffix[1:], options={"fflags": "+bitexact"}) as container:
        added = container.add_stream(codecs.picture, rate=FRAME_RATE, options=codecs.options)
        video = cast(VideoStream, added)
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        sound_options: dict[str, Any] = {"layout": "mono", "options": codecs.sound_options}
        audio = cast(AudioStream, container.add_stream(codecs.sound, rate=rate, **sound_options))
        audio.bit_rate = 64_000
        for stream in (video, audio):
            stream.codec_context.thread_count = 1
            stream.codec_context.flags |= Flags.bitexact
        for number, picture in enumerate(pictures):
            planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGRA2YUV_I420), np.uint8)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = number
            frame.time_base = 1 / FRAME_RATE
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for packet in _sound_packets(audio, sound, rate):
            container.mux(packet)


def _sound_packets(stream: av.AudioStream, sound: np.ndarray, rate: int) -> Iterable[av.Packet]:
    frame = av.AudioFrame.from_ndarray(sound[None, :], format="s16", layout="mono")
    frame.sample_rate = rate
    frame.pts = 0
    frame.time_base = Fraction(1, rate)
    yield from stream.encode(frame)
    yield from stream.encode(None)
