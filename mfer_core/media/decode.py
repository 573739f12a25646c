"""A recording decoded once: pictures and sound in presentation order, on one clock, within limits.

libavformat honours edit lists and priming, so what it presents is what a player would show. Only presentation
timestamps are believed: the rates and counts that headers claim are not.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.error import FFmpegError

from mfer_core.base.errors import ClipError

IMAGE_FORMATS = {"image2", "gif", "apng", "ico"}  # beside the "<codec>_pipe" family
DAMAGED_SHARE = 0.1  # of the packets; with more than this it is not that recording any more
MISSING_SHARE, MISSING_S = 0.1, 0.5  # of what the container promises: more than both is a truncated file
UNKNOWN_SIZES = {0, 0xFFFFFFFF}  # what a WAV says that was written to a pipe


@dataclass
class Damage:
    """Packets seen, and those that failed or gave a frame that the decoder had to patch."""

    packets: int = 0
    damaged: int = 0

    def __str__(self) -> str:
        return f"{self.damaged} of {self.packets} packets damaged"


class Recording:
    """An open media file. Use as a context manager; iterate ``frames()`` once.

    Raises ClipError ("empty file", "unreadable", "not a recording", "no usable stream", "too long").
    """

    def __init__(self, path: Path, time_limit_s: float, max_duration_s: float, threads: int = 1):
        self.damage = Damage()
        self._deadline = time.monotonic() + time_limit_s
        self._time_limit_s, self._max_duration_s = time_limit_s, max_duration_s
        self._container = _open(Path(path))
        try:
            self.video = next(
                (s for s in self._container.streams.video if not s.disposition & s.disposition.attached_pic),
                None,
            )
            self.audio = next(iter(self._container.streams.audio), None)
            self._check(threads)
        except BaseException:
            self._container.close()
            raise

    def _check(self, threads: int) -> None:
        name = self._container.format.name
        if name.endswith("_pipe") or set(name.split(",")) & IMAGE_FORMATS:
            raise ClipError("not a recording", f"a picture ({name})")
        if self.video is None and self.audio is None:
            raise ClipError("no usable stream", f"{name} without video or sound")
        for stream in (self.video, self.audio):
            if stream is not None and stream.codec_context is None:
                raise ClipError("no decoder", f"for the {stream.type} track")
        if self.promised_s and self.promised_s > self._max_duration_s:
            raise ClipError(
                "too long", f"{self.promised_s:.0f} s, max_duration_s is {self._max_duration_s:.0f}"
            )
        if self.video is not None:
            self.video.codec_context.thread_count = threads
            self.video.thread_type = "AUTO" if threads > 1 else "NONE"

    @property
    def promised_s(self) -> float | None:
        """The duration that the container claims, seconds."""
        return self._container.duration / av.time_base if self._container.duration else None

    @property
    def aspect(self) -> float:
        """How many times as wide as high a pixel of the video is; 1 where the file does not say."""
        return float((self.video and self.video.sample_aspect_ratio) or 1)

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def frames(self) -> Iterator[av.VideoFrame | av.AudioFrame]:
        """Every decodable frame of the first video and the first audio track, as the file interleaves them.

        Damaged packets are counted in ``damage``. Raises ClipError ("time limit", "corrupt", "truncated", "no timestamps").
        """
        start_s, end_s = math.inf, 0.0
        for packet in self._packets([stream for stream in (self.video, self.audio) if stream is not None]):
            for frame in self._decode(packet):
                now = frame_time(frame)
                start_s, end_s = (
                    min(start_s, now),
                    max(end_s, now + _seconds(frame.duration or 0, frame.time_base)),
                )
                yield frame
            if time.monotonic() > self._deadline:
                raise ClipError("time limit", f"not done within clip_time_limit_s = {self._time_limit_s:g}")
        self._check_whole(max(end_s, end_s - start_s))

    def _check_whole(self, decoded_s: float) -> None:
        if self.damage.damaged > DAMAGED_SHARE * self.damage.packets:
            raise ClipError("corrupt", str(self.damage))
        missing = (self.promised_s or 0.0) - decoded_s
        if missing > max(MISSING_S, MISSING_SHARE * (self.promised_s or 0.0)):
            raise ClipError("truncated", f"{decoded_s:.2f} s of {self.promised_s:.2f} s")

    def _decode(self, packet: av.Packet) -> list[av.VideoFrame | av.AudioFrame]:
        self.damage.packets += packet.size > 0
        try:
            frames = packet.decode()
        except FFmpegError:
            self.damage.damaged += 1
            return []
        self.damage.damaged += any(frame.is_corrupt for frame in frames)
        return frames

    def _packets(self, streams: list) -> Iterator[av.Packet]:
        try:
            yield from self._container.demux(streams)
        except FFmpegError as error:
            raise ClipError("corrupt", error.strerror or str(error)) from error
        except (
            IndexError
        ) as error:  # PyAV's way to say that the demuxer made up a track on the way (damaged FLV)
            raise ClipError("corrupt", "a track appears in the middle of the file") from error


def frame_time(frame: av.VideoFrame | av.AudioFrame) -> float:
    """Presentation time in seconds; the decoding time where a container knows no other.

    AVI stores no times at all: those of H.264 with B-frames in it are the decoder's guess, up to two frames off.
    Raises ClipError ("no timestamps").
    """
    ticks = frame.pts if frame.pts is not None else frame.dts
    if ticks is None or frame.time_base is None:
        raise ClipError("no timestamps", "a frame has neither presentation nor decoding time")
    return _seconds(ticks, frame.time_base)


def _seconds(ticks: int, base: Fraction) -> float:
    return (
        ticks * base.numerator / base.denominator
    )  # the same number as by Fraction's own product, in a tenth of the time


def _open(path: Path) -> av.container.InputContainer:
    if not path.is_file():
        raise ClipError("missing file", str(path))
    if not path.stat().st_size:
        raise ClipError("empty file")
    _check_wav(path)
    try:
        return av.open(str(path), mode="r", metadata_errors="replace")
    except FFmpegError as error:
        raise ClipError("unreadable", error.strerror or str(error)) from error


def _check_wav(path: Path) -> None:
    """libavformat takes a WAV that is cut off for a shorter one; its header knows better."""
    with path.open("rb") as file:
        head = file.read(12)
    size = int.from_bytes(head[4:8], "little")
    if head[:4] == b"RIFF" and head[8:] == b"WAVE" and size not in UNKNOWN_SIZES:
        missing = size + 8 - path.stat().st_size
        if missing > MISSING_SHARE * size:
            raise ClipError("truncated", f"{missing} of {size + 8} bytes are missing")
