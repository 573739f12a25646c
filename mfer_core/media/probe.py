"""What a container holds, read with PyAV (FFmpeg): streams, duration, displayed size."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream

from mfer_core.base.errors import ClipError, one_line
from mfer_core.media.clock import Clock, seconds
from mfer_core.media.container import open_container
from mfer_core.media.picture import displayed_size
from mfer_core.media.streams import Streams, choose_streams, promised_ends

RATE_LIMIT = 1000.0  # frames per second; web recordings claim thousands where the header holds a time base
FIRST_PACKETS = (
    500  # read in search of a frame: a broadcast that is cut out starts with some that decode to nothing
)


@dataclass(frozen=True, kw_only=True)
class Media:
    """Facts of one file; the fields mean what they mean in ``manifest.Clip``. Unknown is None."""

    has_video: bool = False
    has_audio: bool = False  # an audio stream that can be decoded, silent or not
    duration_s: float | None = None
    width: int | None = None  # pixels as displayed: rotation applied
    height: int | None = None
    rate: float | None = None  # frames per second as the header says, where that is possible at all
    sample_rate: int | None = None  # Hz


def probe(path: Path) -> Media:
    """Read the headers and the first frame of a media file, and all packets where the header only estimates
    the duration.

    Raises ClipError: what ``open_container`` and ``choose_streams`` raise, and "unreadable" (nothing to
    decode).
    """
    path = Path(path)
    try:
        with open_container(path) as container:
            facts = _facts(container, path)
        return facts if facts.duration_s else replace(facts, duration_s=_packet_duration(path))
    except (FFmpegError, IndexError) as error:  # IndexError: a damaged file makes up a stream on the way
        raise ClipError("unreadable", one_line(error)) from error


def _facts(container: InputContainer, path: Path) -> Media:
    """What the headers and the first frame say."""
    streams = choose_streams(container)
    facts: dict = {"has_video": streams.video is not None, "has_audio": streams.audio is not None}
    if streams.audio is not None:
        facts["sample_rate"] = streams.audio.codec_context.sample_rate or None
    frame = _first_frame(container, next(iter(streams)))
    if streams.video is not None and isinstance(frame, av.VideoFrame):
        facts["width"], facts["height"] = displayed_size(frame)
        facts["rate"] = _plausible_rate(streams.video.average_rate)
    return Media(**facts, duration_s=_header_duration(container, streams, path))


def _first_frame(container: InputContainer, stream: Stream) -> av.VideoFrame | av.AudioFrame:
    """Decode one frame: the size and the rotation that a viewer sees, and proof that the stream decodes."""
    stream.codec_context.thread_count = 1  # many files are probed side by side
    for count, packet in enumerate(container.demux(stream)):
        try:
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame | av.AudioFrame):
                    return frame
        except FFmpegError:
            pass  # the next packet may do
        if count == FIRST_PACKETS:
            break
    raise ClipError("unreadable", f"no {stream.type} frame can be decoded")


def _header_duration(container: InputContainer, streams: Streams, path: Path) -> float | None:
    """Seconds from the earliest start to the latest end of the used streams, where the header says both
    exactly.
    """
    ends, whole = promised_ends(container, path)
    starts = [seconds(stream.start_time or 0, stream.time_base) for stream in streams]
    if all(stream.index in ends for stream in streams):
        return max(ends[stream.index] for stream in streams) - min(starts)
    if len(container.streams) == len(starts) and not any(starts):
        return whole
    return None


def _packet_duration(path: Path) -> float | None:
    """Seconds between the first and the end of the last packet of the used streams, on the continued
    clock.
    """
    start_s, end_s = float("inf"), 0.0
    with open_container(path) as container:
        clock = Clock(container)
        for packet in container.demux(list(choose_streams(container))):
            clock.shift(packet)
            if packet.pts is not None:
                start_s = min(start_s, seconds(packet.pts, packet.time_base))
                end_s = max(end_s, seconds(packet.pts + (packet.duration or 0), packet.time_base))
    return end_s - start_s if end_s > start_s else None


def _plausible_rate(rate: Fraction | None) -> float | None:
    return float(rate) if rate and 0 < rate <= RATE_LIMIT else None
