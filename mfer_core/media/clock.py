"""The clock of a recording: the container's, continued where a file holds several recordings one after the
other.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer

RESTART_S = 1.0  # A decoding time this far back is a clock that starts again.
# MPEG's transport and program streams (and Ogg) may be cut together: less far back will do, and so does a
# leap.
CUT_RESTART_S, CUT_LEAP_S = 0.1, 10.0
OVERLAP_S = 0.1  # A later recording does not wait for another stream that ends no more than this later.
EXPECTS_RESTARTS = 0x200  # FFmpeg's flag AVFMT_TS_DISCONT marks such formats.


def seconds(ticks: int, base: Fraction | None) -> float:
    """``ticks`` of ``base``, the same number as by Fraction's own product, in a tenth of the time; 0 without
    a base.
    """
    return 0.0 if base is None else ticks * base.numerator / base.denominator


@dataclass
class _Stream:
    restarts: int = 0
    decoded_s: float | None = None  # decoding time of the last packet, on the continued clock
    end_s: float = -math.inf  # end of what is presented so far, on the continued clock


class Clock:
    """Moves the times of packets so that a restarted clock goes on where the recording before it ended.

    All streams that restart move alike, so that sound and picture of a later recording stay together. It goes
    on where the stream that restarts first has ended; where another stream goes on for longer, it waits for
    that.
    """

    def __init__(self, container: InputContainer):
        cut = container.format.flags & EXPECTS_RESTARTS
        self._back_s, self._leap_s = (CUT_RESTART_S, CUT_LEAP_S) if cut else (RESTART_S, float("inf"))
        self._shifts = [0.0]  # seconds to add after each restart
        self._streams: dict[int, _Stream] = {}

    def shift(self, packet: av.Packet) -> None:
        """Move ``packet``'s times; packets of a stream come in decoding order."""
        stream = self._streams.setdefault(packet.stream_index, _Stream())
        if packet.dts is not None:
            self._follow(stream, packet, packet.dts)
        shift = round(self._shifts[stream.restarts] / packet.time_base)
        if shift and packet.dts is not None:
            packet.dts += shift
        if shift and packet.pts is not None:
            packet.pts += shift

    def _follow(self, stream: _Stream, packet: av.Packet, dts: int) -> None:
        """Notice a restart of ``stream``: its decoding time goes back, or leaps beyond all streams."""
        base, end_s = packet.time_base, max(other.end_s for other in self._streams.values())
        decoded_s = seconds(dts, base)
        shown_s = decoded_s if packet.pts is None else seconds(packet.pts, base)
        step_s = 0.0
        if stream.decoded_s is not None:
            earliest_s, latest_s = stream.decoded_s - self._back_s, end_s + self._leap_s
            while not earliest_s <= decoded_s + self._shifts[stream.restarts] <= latest_s:
                stream.restarts += 1
                if stream.restarts == len(self._shifts):
                    start_s = end_s if end_s - stream.end_s > OVERLAP_S else stream.end_s
                    self._shifts.append(start_s - shown_s)
                    break
            step_s = decoded_s + self._shifts[stream.restarts] - stream.decoded_s
        shift_s = self._shifts[stream.restarts]
        length_s = seconds(packet.duration or 0, base) or step_s
        stream.decoded_s = decoded_s + shift_s
        stream.end_s = max(stream.end_s, shown_s + shift_s + length_s)
