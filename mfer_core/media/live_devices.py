"""Cameras, microphones and addresses, opened by FFmpeg's own devices and protocols."""

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import av
from av.container import InputContainer
from av.error import FFmpegError

from mfer_core.base.errors import MferError
from mfer_core.media.clock import Clock
from mfer_core.media.decode import Damage, frame_time
from mfer_core.media.streams import choose_streams

Frame = av.VideoFrame | av.AudioFrame
TIMEOUT_S = 10.0  # A server that says nothing for so long is not there.
ADDRESSES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "rtp", "srt")
# By sys.platform: FFmpeg's input format, and what it calls the first camera and the first microphone.
CAMERAS = {"linux": ("v4l2", "/dev/video0"), "darwin": ("avfoundation", "default:none")}
MICROPHONES = {"linux": ("alsa", "default"), "darwin": ("avfoundation", "none:default")}
WINDOWS = ("dshow", "")
NONE = "none"


@dataclass(frozen=True)
class Device:
    """An input of FFmpeg's: ``format`` is None for an address."""

    format: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.format}:{self.name}" if self.format else self.name


def camera(name: str | None) -> Device | None:
    """A camera by its name, or "FORMAT:NAME"; None is the first one here, "none" is no camera."""
    return _device(name, "camera", CAMERAS, "video=")


def microphone(name: str | None) -> Device | None:
    """A microphone, named as a camera is."""
    return _device(name, "microphone", MICROPHONES, "audio=")


def _device(name: str | None, kind: str, defaults: dict[str, tuple[str, str]], prefix: str) -> Device | None:
    if name == NONE:
        return None
    format, first = defaults.get(sys.platform, WINDOWS)
    if name is None and not first:
        raise MferError(
            f"no {kind} is known by default here: name one with --{kind}, as "
            '`ffmpeg -list_devices true -f dshow -i dummy` lists them, or say "none"'
        )
    head, colon, rest = (name or "").partition(":")
    known = {part for names in av.formats_available for part in names.split(",")}
    if colon and head in known:
        return Device(head, rest)
    return Device(format, prefix * (format == "dshow") + name if name else first)


def is_address(source: str) -> bool:
    return source.partition("://")[0].lower() in ADDRESSES and "://" in source


@dataclass
class OpenInput:
    """A device or an address at work. Its clock is the machine's, ``time.monotonic``."""

    device: Device
    container: InputContainer
    damage: Damage = field(default_factory=Damage)
    picture_end_s: tuple[float, float] = (0.0, math.inf)

    def __post_init__(self) -> None:
        streams = choose_streams(self.container)
        self.video, self.audio, self.notes = streams.video, streams.audio, list(streams.notes)

    def frames(self) -> Iterator[Frame]:
        """Every decodable frame of the used streams. Packets that cannot be decoded are passed over, as a
        network loses some. Raises MferError where the feed breaks off.
        """
        clock = Clock(self.container)
        zero_s: float | None = None
        try:
            for packet in self.container.demux([one for one in (self.video, self.audio) if one is not None]):
                clock.shift(packet)
                for frame in self._decode(packet):
                    now = frame_time(frame)
                    if now is None:
                        continue
                    if zero_s is None:
                        zero_s = time.monotonic() - now
                    yield _moved(frame, zero_s)
        except FFmpegError as error:
            raise MferError(f"{self.device}: {error.strerror or error}") from error

    def _decode(self, packet: av.Packet) -> list[Frame]:
        self.damage.packets += packet.size > 0
        try:
            return list(packet.decode())
        except FFmpegError:
            self.damage.damaged += packet.size > 0
            return []


def open_input(device: Device) -> OpenInput:
    """Raises MferError naming what cannot be opened."""
    # A server's answer is waited for; a device answers at once.
    options = {"rtsp_transport": "tcp"} if device.name.startswith("rtsp") else {}
    try:
        container = av.open(
            device.name, format=device.format, options=options, timeout=None if device.format else TIMEOUT_S
        )
    except (FFmpegError, ValueError) as error:
        raise MferError(f"{device}: {getattr(error, 'strerror', None) or error}") from error
    return OpenInput(device, container)


def _moved(frame: Frame, by_s: float) -> Frame:
    """The frame with its time moved."""
    ticks = frame.pts if frame.pts is not None else frame.dts
    assert ticks is not None and frame.time_base is not None  # A frame with a time has both.
    frame.pts = ticks + round(by_s / frame.time_base)
    return frame
