"""Which streams of a container are used, and how long its header says, exactly, that they are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from mfer_core.base.errors import ClipError
from mfer_core.media.clock import seconds

NO_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
# A video stream of one picture that is shown for less than this share of the recording is a cover.
COVER_SHARE = 0.1
# Formats whose header says how long every stream is; the others that are exact speak of the longest stream.
EXACT_STREAMS = {"mov", "avi"}
EXACT_WHOLE = {"matroska", "flv", "flac", "aiff", "caf", "w64", "wv", "tta", "ape", "wav"}
MP3_COUNTS = (b"Xing", b"Info", b"VBRI")  # the tags that count an MP3's frames; without them FFmpeg guesses
MP3_HEAD_BYTES = 1 << 20  # such a tag stands in the first frame, which may follow a picture in an ID3 tag

AnyStream = TypeVar("AnyStream", VideoStream, AudioStream)


@dataclass(frozen=True)
class Streams:
    """The video and the audio stream that are used, and notes on what is not used."""

    video: VideoStream | None
    audio: AudioStream | None
    notes: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[VideoStream | AudioStream]:
        return iter(stream for stream in (self.video, self.audio) if stream is not None)


def choose_streams(container: InputContainer) -> Streams:
    """Of each kind the stream marked as default among those that can be decoded, else the first of them.

    Pictures of a cover are no video. Raises ClipError ("no usable stream", "no decoder").
    """
    covers = [stream for stream in container.streams.video if _is_cover(stream, container)]
    videos = [stream for stream in container.streams.video if stream not in covers]
    audios = list(container.streams.audio)
    if not videos and not audios:
        raise ClipError("no usable stream", f"{container.format.name} without video or sound")
    video, audio = _default(videos), _default(audios)
    if video is None and audio is None:
        raise ClipError("no decoder", f"for the {(videos or audios)[0].type} stream")
    notes = [*_choice_notes("video", videos, video), *_choice_notes("sound", audios, audio)]
    if any(not stream.disposition & NO_VIDEO for stream in covers):
        notes.append("a single picture beside the sound is taken for a cover and left out")
    return Streams(video, audio, notes)


def _is_cover(stream: Stream, container: InputContainer) -> bool:
    if stream.disposition & NO_VIDEO:
        return True
    if stream.frames != 1 or not container.streams.audio or not stream.duration or not container.duration:
        return False
    return seconds(stream.duration, stream.time_base) < COVER_SHARE * container.duration / av.time_base


def _default(streams: Sequence[AnyStream]) -> AnyStream | None:
    usable = [stream for stream in streams if stream.codec_context is not None]
    marked = [stream for stream in usable if stream.disposition & Disposition.default]
    return next(iter(marked or usable), None)


def _choice_notes(kind: str, streams: Sequence[Stream], used: Stream | None) -> Iterator[str]:
    if any(stream.codec_context is None for stream in streams):
        yield f"a {kind} stream has no decoder and is left out"
    if used is not None and len(streams) > 1:
        yield f"{len(streams)} {kind} streams: number {streams.index(used) + 1} is used"


def promised_ends(container: InputContainer, path: Path) -> tuple[dict[int, float], float | None]:
    """Where the header says, exactly, that streams end, seconds on the file's own clock.

    Returns the end of each stream by its index, and the end of the longest stream (Matroska counts it from 0,
    other formats from the start: the less is promised). A header that only estimates (from a bit rate, from
    the size) says nothing: no entry, and None.
    """
    names = set(container.format.name.split(","))
    if names & EXACT_STREAMS:
        ends = {stream.index: _stream_end(stream) for stream in container.streams if stream.duration}
        return ends, None
    exact = names & EXACT_WHOLE or ("mp3" in names and _mp3_is_counted(path))
    if not exact or not container.duration:
        return {}, None
    return {}, container.duration / av.time_base


def _stream_end(stream: Stream) -> float:
    return seconds((stream.start_time or 0) + (stream.duration or 0), stream.time_base)


def _mp3_is_counted(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(MP3_HEAD_BYTES)
    return any(tag in head for tag in MP3_COUNTS)
