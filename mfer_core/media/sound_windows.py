"""A long recording's sound, window by window: each is cut out and heard as a clip of that length would be."""

from collections.abc import Iterable, Iterator
from math import inf

import numpy as np

from mfer_core.base.settings import Extract
from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.media.clip import waveform_row
from mfer_core.media.read import Speech, keep_speech
from mfer_core.media.sound import Waveform


def cut_sounds(sounds: Iterable[dict], spans: Iterable[tuple[float, float]]) -> Iterator[Waveform]:
    """The sound of each span, which come in order of their starts; infinite ends are the recording's.

    ``sounds`` are a recording's WAVEFORMs in time order, holes between which are silent. What no later span
    needs is let go. A span without sound has no samples.
    """
    coming = iter(sounds)
    held: list[Waveform] = []
    read_to_s = -inf
    for start_s, end_s in spans:
        while read_to_s < end_s and (row := next(coming, None)) is not None:
            held.append(Waveform(row["samples"], row["offset_s"]))
            read_to_s = held[-1].start_s + held[-1].length_s
        held = [part for part in held if part.start_s + part.length_s > start_s]
        yield _joined([_cut(part, start_s, end_s) for part in held])


def _cut(sound: Waveform, start_s: float, end_s: float) -> Waveform:
    first, last = (_sample(second - sound.start_s, len(sound.samples)) for second in (start_s, end_s))
    return Waveform(sound.samples[first:last], sound.start_s + first / SAMPLE_RATE)


def _sample(second: float, length: int) -> int:
    """The sample at ``second``, within 0 and ``length``."""
    return round(min(max(second * SAMPLE_RATE, 0), length))


def _joined(parts: list[Waveform]) -> Waveform:
    parts = [part for part in parts if len(part.samples)]
    if len(parts) < 2:
        return parts[0] if parts else Waveform(np.zeros(0, np.int16), 0.0)
    start_s = parts[0].start_s
    starts = [round((part.start_s - start_s) * SAMPLE_RATE) for part in parts]
    whole = np.zeros(
        max(start + len(part.samples) for start, part in zip(starts, parts, strict=True)), np.int16
    )
    for start, part in zip(starts, parts, strict=True):
        whole[start : start + len(part.samples)] = part.samples
    return Waveform(whole, start_s)


def hear(sound: Waveform, settings: Extract, without_speech: bool) -> Speech | None:
    """What the method hears of a window's sound: what it would hear of a clip that is no more than that.

    None of digital silence, and of sound in which there is no speech unless ``without_speech``.
    """
    if not sound.peak:
        return None
    row = waveform_row(sound, sound.start_s, settings.vad_threshold)
    if not row["speech"] and not without_speech:
        return None
    return keep_speech("", "", row, settings.vad_min_clip_s)
