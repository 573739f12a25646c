"""The clock of a recording: the container's, continued where a file holds several recordings one after the other."""

from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer

RESTART_S = 1.0  # a decoding time this far back is a clock that starts again
# MPEG's transport and program streams (and Ogg) may be cut together: less far back will do, and so does a leap.
CUT_RESTART_S, CUT_LEAP_S = 0.1, 10.0
EXPECTS_RESTARTS = 0x200  # FFmpeg's flag AVFMT_TS_DISCONT of such formats
SAME_RESTART_S = 1.0  # streams whose clocks restart alike, within this time, belong to the same restart


def seconds(ticks: int, base: Fraction) -> float:
    """The same number as by Fraction's own product, in a tenth of the time."""
    return ticks * base.numerator / base.denominator


@dataclass
class _Stream:
    restarts: int = 0
    last_s: float | None = None  # decoding time of the last packet, on the continued clock
    length_s: float = 0.0  # of the last packet; where the file does not say, its distance from the one before

    @property
    def next_s(self) -> float:
        """When the next packet is due."""
        return self.last_s + self.length_s


class Clock:
    """Moves the times of packets so that a restarted clock goes on where the recording before it ended.

    All streams that restart move alike, so that sound and picture of a later recording stay together.
    """

    def __init__(self, container: InputContainer):
        cut = container.format.flags & EXPECTS_RESTARTS
        self._back_s, self._leap_s = (CUT_RESTART_S, CUT_LEAP_S) if cut else (RESTART_S, float("inf"))
        self._shifts = [0.0]  # seconds to add after each restart
        self._streams: dict[int, _Stream] = {}

    def place(self, packet: av.Packet) -> None:
        """Move ``packet``'s times; packets of a stream come in decoding order."""
        stream = self._streams.setdefault(packet.stream_index, _Stream())
        if packet.dts is not None:
            now = seconds(packet.dts, packet.time_base)
            if stream.last_s is not None:
                self._follow(stream, now)
            now += self._shifts[stream.restarts]
            step_s = now - stream.last_s if stream.last_s is not None else 0.0
            stream.length_s = seconds(packet.duration or 0, packet.time_base) or step_s
            stream.last_s = now
        shift = round(self._shifts[stream.restarts] / packet.time_base)
        if shift and packet.dts is not None:
            packet.dts += shift
        if shift and packet.pts is not None:
            packet.pts += shift

    def _follow(self, stream: _Stream, now: float) -> None:
        """Notice a restart of ``stream`` at the raw time ``now``."""
        jump = now + self._shifts[stream.restarts] - stream.next_s
        if -self._back_s <= jump <= self._leap_s:
            return
        shift = stream.next_s - now
        for later in range(stream.restarts + 1, len(self._shifts)):
            if abs(self._shifts[later] - shift) < SAME_RESTART_S:
                stream.restarts = later
                return
        self._shifts.append(shift)
        stream.restarts = len(self._shifts) - 1
