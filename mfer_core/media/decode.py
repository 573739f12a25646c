"""A recording decoded once: pictures and sound in presentation order, on one clock, within limits.

libavformat honours edit lists and priming, so what it presents is what a player would show. Only presentation
timestamps are believed: the rates and counts that headers claim are not.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
from av.error import EOFError as AvEOFError
from av.error import FFmpegError, InvalidDataError

from mfer_core.errors import ClipError

IMAGE_FORMATS = {"image2", "gif", "apng", "ico"}  # beside the "<codec>_pipe" family
CORRUPT_SHARE = 0.1  # of a stream's packets; more than this is not a recording any more
TRUNCATED_S = 0.5  # missing at the end of what the container promises


@dataclass
class Damage:
    """What went wrong while decoding, counted."""

    packets: int = 0
    corrupt: int = 0
    notes: list[str] = field(default_factory=list)


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
            self.video = next((s for s in self._container.streams.video if not s.disposition & s.disposition.attached_pic), None)
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
        if self.promised_s and self.promised_s > self._max_duration_s:
            raise ClipError("too long", f"{self.promised_s:.0f} s, max_duration_s is {self._max_duration_s:.0f}")
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

        Packets that fail are counted in ``damage``. Raises ClipError ("time limit", "corrupt").
        """
        streams = [stream for stream in (self.video, self.audio) if stream is not None]
        for packet in self._packets(streams):
            self.damage.packets += packet.size > 0
            try:
                yield from packet.decode()
            except (InvalidDataError, AvEOFError):
                self.damage.corrupt += 1
            if time.monotonic() > self._deadline:
                raise ClipError("time limit", f"not decoded within clip_time_limit_s = {self._time_limit_s:g}")
        if self.damage.corrupt > CORRUPT_SHARE * self.damage.packets:
            raise ClipError("corrupt", f"{self.damage.corrupt} of {self.damage.packets} packets cannot be decoded")

    def _packets(self, streams: list) -> Iterator[av.Packet]:
        try:
            yield from self._container.demux(streams)
        except InvalidDataError as error:
            raise ClipError("corrupt", str(error)) from error


def _open(path: Path) -> av.container.InputContainer:
    if not path.is_file():
        raise ClipError("missing file", str(path))
    if not path.stat().st_size:
        raise ClipError("empty file")
    try:
        return av.open(str(path), mode="r", metadata_errors="replace")
    except FFmpegError as error:
        raise ClipError("unreadable", error.strerror or str(error)) from error
