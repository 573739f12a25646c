"""Pictures and sound into an H.264 + AAC file whose bytes depend on nothing but its content."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.codec.context import Flags

FRAME_RATE = Fraction(30000, 1001)


def write_video(
    path: Path, pictures: Iterable[np.ndarray], sound: np.ndarray, rate: int, size: tuple[int, int]
) -> None:
    """Write uint8 BGRA pictures [height, width, 4] at 30000/1001 per second and mono int16 sound [N] at
    ``rate`` Hz.

    ``size`` is (width, height) in pixels; the suffix of ``path`` (.mp4 or .mov) chooses the container.
    """
    with av.open(str(path), "w", format=path.suffix[1:], options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=FRAME_RATE, options={"preset": "ultrafast", "crf": "23"})
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=rate, layout="mono", options={"aac_coder": "fast"})
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
