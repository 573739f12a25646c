"""A recording decoded once: pictures and sound in presentation order, on one clock, within limits.

libavformat honours edit lists and priming, so what it presents is what a player would show. Only presentation
timestamps are believed: the rates and counts that headers claim are not.
"""

import heapq
import math
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import av
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.video.stream import VideoStream

from mfer_core.base.errors import ClipError
from mfer_core.media.clock import Clock, seconds
from mfer_core.media.container import open_container
from mfer_core.media.streams import choose_streams, promised_ends

DAMAGED_SHARE = 0.1  # A recording of which a larger share of packets is damaged is rejected.
# A file that lacks more than both, the share and the seconds of what its header promises, is truncated.
MISSING_SHARE, MISSING_S = 0.1, 0.5


@dataclass
class Damage:
    """Packets read, and those that failed or gave a frame that the decoder had to patch."""

    packets: int = 0
    damaged: int = 0

    def __str__(self) -> str:
        return f"{self.damaged} of {self.packets} packets damaged"


class DecodedFrames(Protocol):
    """What pictures and sound are extracted from: a ``Recording``, or a feed as it comes."""

    @property
    def video(self) -> VideoStream | None: ...

    @property
    def audio(self) -> AudioStream | None: ...

    @property
    def notes(self) -> list[str]: ...

    @property
    def damage(self) -> Damage: ...

    @property
    def aspect(self) -> float: ...

    @property
    def picture_end_s(self) -> tuple[float, float]: ...

    def frames(self) -> Iterator[av.VideoFrame | av.AudioFrame]: ...


class Recording:
    """An open media file. Use as a context manager; iterate ``frames()`` once.

    ``notes`` says what of the file is not used. Raises ClipError: what ``open_container`` and
    ``choose_streams`` raise, and "too long".
    """

    def __init__(self, path: Path, time_limit_s: float, max_duration_s: float, threads: int = 1):
        self._deadline = time.monotonic() + time_limit_s
        self._time_limit_s, self._max_duration_s = time_limit_s, max_duration_s
        self._container = open_container(Path(path))
        try:
            self._streams = choose_streams(self._container)
            self._promised = promised_ends(self._container, Path(path))
            self._check_length()
        except BaseException:
            self._container.close()
            raise
        self.video, self.audio, self.notes = self._streams.video, self._streams.audio, self._streams.notes
        self._damage = {stream.index: Damage() for stream in self._streams}
        self._packet_end_s: dict[int, float] = defaultdict(float)
        self._untimed: list[int] = []  # decoding times of an AVI's pictures that are not displayed yet
        if self.video is not None:
            self.video.codec_context.thread_count = threads
            self.video.thread_type = "AUTO" if threads > 1 else "NONE"

    def _check_length(self) -> None:
        """Refuse at once what is longer than allowed, where the header speaks of the used streams alone."""
        ends, whole = self._promised
        used = [ends[stream.index] for stream in self._streams if stream.index in ends]
        if whole is not None and len(self._container.streams) == len(list(self._streams)):
            used.append(whole)
        length_s = max(used, default=0.0) - (self._container.start_time or 0) / av.time_base
        if length_s > self._max_duration_s:
            raise ClipError("too long", f"{length_s:.0f} s, max_duration_s is {self._max_duration_s:.0f}")

    @property
    def damage(self) -> Damage:
        """The damage of both streams, or of one where nothing of the other can be decoded."""
        dead = [damage for damage in self._damage.values() if 0 < damage.packets == damage.damaged]
        counted = [damage for damage in self._damage.values() if damage not in dead] or dead
        return Damage(sum(stream.packets for stream in counted), sum(stream.damaged for stream in counted))

    @property
    def aspect(self) -> float:
        """How many times as wide as high a pixel of the video is; 1 where the file does not say."""
        return float((self.video and self.video.sample_aspect_ratio) or 1)

    @property
    def picture_end_s(self) -> tuple[float, float]:
        """The earliest and the latest moment at which the last picture may go by the header, on the
        recording's clock.
        """
        ends, whole = self._promised
        if self.video is None or (whole is None and self.video.index not in ends):
            return 0.0, math.inf
        if whole is None:
            return ends[self.video.index], ends[self.video.index]
        alone = len(self._container.streams) == 1
        return (whole if alone else 0.0), whole + max(0.0, (self._container.start_time or 0) / av.time_base)

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def frames(self) -> Iterator[av.VideoFrame | av.AudioFrame]:
        """Every decodable frame of the used streams, as the file interleaves them, on one clock.

        Damaged packets are counted in ``damage``. Raises ClipError ("time limit", "corrupt", "truncated").
        """
        used = list(self._streams)
        clock = Clock(self._container)
        for packet in self._packets():
            # The packet that ends a data stream has index 0, whatever the stream's, so the stream itself is
            # asked.
            if packet.stream in used:
                clock.shift(packet)
                yield from self._decode(packet)
            if time.monotonic() > self._deadline:
                raise ClipError("time limit", f"not done within clip_time_limit_s = {self._time_limit_s:g}")
        self._check_whole()

    def _packets(self) -> Iterator[av.Packet]:
        """All packets of the file: those of streams that are not used tell how far the file goes."""
        try:
            for packet in self._container.demux():
                if packet.pts is not None and not packet.is_corrupt:
                    end_s = seconds(packet.pts + (packet.duration or 0), packet.time_base)
                    self._packet_end_s[packet.stream_index] = max(
                        end_s, self._packet_end_s[packet.stream_index]
                    )
                yield packet
        except FFmpegError as error:
            raise ClipError("corrupt", error.strerror or str(error)) from error
        except IndexError as error:
            # PyAV's way to say that the demuxer made up a stream on the way (a damaged FLV).
            raise ClipError("corrupt", "a stream appears in the middle of the file") from error

    def _decode(self, packet: av.Packet) -> Sequence[av.VideoFrame | av.AudioFrame]:
        damage = self._damage[packet.stream.index]
        damage.packets += packet.size > 0
        try:
            frames = packet.decode()
        except FFmpegError:
            damage.damaged += packet.size > 0
            return []
        damage.damaged += packet.size > 0 and any(frame.is_corrupt for frame in frames)
        if packet.stream is self.video and self._container.format.name == "avi":
            self._show_in_order(packet, frames)
        return frames

    def _show_in_order(self, packet: av.Packet, frames: list[av.VideoFrame]) -> None:
        """Give an AVI's pictures their times: the format stores none but the order of decoding.

        The pictures leave the decoder in the order of display, so each takes the earliest time that is left.
        """
        if packet.dts is not None:
            heapq.heappush(self._untimed, packet.dts)
        for frame in frames:
            if self._untimed:
                frame.pts = heapq.heappop(self._untimed)

    def _check_whole(self) -> None:
        if self.damage.damaged > DAMAGED_SHARE * self.damage.packets:
            raise ClipError("corrupt", str(self.damage))
        for stream in self._streams:
            if 0 < self._damage[stream.index].packets == self._damage[stream.index].damaged:
                self.notes.append(f"nothing of the {stream.type} stream can be decoded")
        ends, whole = self._promised
        for stream in self._streams:
            if stream.index in ends:
                self._check_end(self._packet_end_s[stream.index], ends[stream.index])
        if whole is not None:
            self._check_end(max(self._packet_end_s.values(), default=0.0), whole)

    def _check_end(self, end_s: float, promised_s: float) -> None:
        if promised_s - end_s > max(MISSING_S, MISSING_SHARE * promised_s):
            raise ClipError("truncated", f"{end_s:.2f} s of {promised_s:.2f} s")


def frame_time(frame: av.VideoFrame | av.AudioFrame) -> float | None:
    """Presentation time in seconds; the decoding time where a container knows no other; None without
    either.
    """
    ticks = frame.pts if frame.pts is not None else frame.dts
    return None if ticks is None or frame.time_base is None else seconds(ticks, frame.time_base)
