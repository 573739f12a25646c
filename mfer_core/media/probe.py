"""What a container holds, read with PyAV (FFmpeg): tracks, duration, displayed size."""

from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition

from mfer_core.base.errors import ClipError

RATE_LIMIT = 1000.0  # frames per second; web recordings claim thousands where the header holds a time base
LFS_POINTER = b"version https://git-lfs"
WAV_OPTIONS = {
    "probesize": "65536"
}  # bytes; by default FFmpeg searches a megabyte of each wav for DTS: 12 ms in place of 3


@dataclass(frozen=True, kw_only=True)
class Media:
    """Facts of one file; the fields mean what they mean in ``manifest.Clip``. Unknown is None."""

    has_video: bool = False
    has_audio: bool = False  # an audio track, silent or not
    duration_s: float | None = None
    width: int | None = None  # pixels as displayed: rotation applied
    height: int | None = None
    rate: float | None = None  # frames per second as the header says, where that is possible at all
    sample_rate: int | None = None  # Hz


def probe(path: Path) -> Media:
    """Read the headers and the first frame of a media file.

    Raises ClipError: "missing file", "empty file", "git-lfs pointer" (the download left the file itself behind),
    "unreadable" (not media, cut off, nothing to decode) or "no audio or video".
    """
    options = WAV_OPTIONS if _first_bytes(path)[8:12] == b"WAVE" else {}
    try:
        with av.open(str(path), options=options) as container:
            return _facts(container)
    except (FFmpegError, OSError, ValueError) as error:
        raise ClipError("unreadable", " ".join(str(error).split())) from error


def _first_bytes(path: Path) -> bytes:
    try:
        with Path(path).open("rb") as file:
            start = file.read(len(LFS_POINTER))
    except FileNotFoundError as error:
        raise ClipError("missing file") from error
    except OSError as error:
        raise ClipError("unreadable", str(error)) from error
    if not start:
        raise ClipError("empty file")
    if start == LFS_POINTER:
        raise ClipError(
            "git-lfs pointer",
            "the file itself was not downloaded: run `git lfs pull` in the corpus's checkout",
        )
    return start


def _facts(container: InputContainer) -> Media:
    videos = [
        stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic
    ]
    audios = container.streams.audio
    if not videos and not audios:
        raise ClipError("no audio or video")
    facts: dict = {
        "has_video": bool(videos),
        "has_audio": bool(audios),
        "duration_s": _header_duration(container),
    }
    if audios:
        facts["sample_rate"] = audios[0].codec_context.sample_rate or None
    frame = _first_frame(container, (videos or audios)[0])
    if videos:
        sideways = frame.rotation % 180 != 0
        facts["width"], facts["height"] = (
            (frame.height, frame.width) if sideways else (frame.width, frame.height)
        )
        facts["rate"] = _plausible_rate(videos[0].average_rate)
    if facts["duration_s"] is None:
        facts["duration_s"] = _packet_duration(container)
    return Media(**facts)


def _first_frame(container: InputContainer, stream: av.stream.Stream):
    """Decode one frame: the size and the rotation that a viewer sees, and proof that the track decodes."""
    stream.codec_context.thread_count = 1  # many files are probed side by side
    frame = next(container.decode(stream), None)
    if frame is None:
        raise ClipError("unreadable", f"no {stream.type} frame can be decoded")
    return frame


def _header_duration(container: InputContainer) -> float | None:
    seconds = (container.duration or 0) / av.time_base
    return seconds if seconds > 0 else None


def _packet_duration(container: InputContainer) -> float | None:
    """Seconds between the first and the end of the last packet: browsers record WebM without a duration."""
    container.seek(0)
    spans = [
        (
            float(packet.pts * packet.time_base),
            float((packet.pts + (packet.duration or 0)) * packet.time_base),
        )
        for packet in container.demux()
        if packet.pts is not None
    ]
    return max(end for _, end in spans) - min(start for start, _ in spans) if spans else None


def _plausible_rate(rate) -> float | None:
    return float(rate) if rate and 0 < rate <= RATE_LIMIT else None
