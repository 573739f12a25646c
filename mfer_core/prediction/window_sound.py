"""The sound of a recording's windows as the speech encoder meets it: each window alone, like a clip."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from mfer_core.base.settings import Extract
from mfer_core.encoders.contract import SpeechEncoder
from mfer_core.encoders.cores import on_cores
from mfer_core.media.parts import RecordingParts
from mfer_core.media.read import Speech
from mfer_core.media.sound_windows import cut_sounds, hear
from mfer_core.prediction.windows import RecordingEmbeddings, Span, Steps, open_ends

BATCH_GIB = 0.1  # An encoder's working memory; one recording is no quicker with more.
# Windows that share a batch on a GPU; on a CPU each goes alone, so that its values are its own.
TOGETHER = 16


def embed_speech(encoder: SpeechEncoder, heard: list[Speech]) -> list[Steps]:
    """The encoder's steps of each stretch of sound."""
    values = encoder.embed([speech.waveform for speech in heard], BATCH_GIB)
    return [
        (steps, speech.times(encoder.centres(len(steps))))
        for steps, speech in zip(values, heard, strict=True)
    ]


def window_sounds(
    encoders: Sequence[SpeechEncoder],
    settings: Extract,
    parts: RecordingParts,
    embedded: RecordingEmbeddings,
    spans: list[Span],
) -> Iterator[Steps]:
    """The steps of each window's sound; none of a window without speech in a recording with speech elsewhere.

    A recording of one window has been embedded already. On a CPU each of the ``encoders``, which are the same
    one for several threads, takes a window.
    """
    if len(spans) == 1:
        yield embedded.audio, embedded.audio_s
        return
    without_speech = not parts.facts["speech_s"]
    sounds = cut_sounds(parts.sounds(), [open_ends(span, embedded.duration_s) for span in spans])
    if encoders[0].device.type == "cpu":
        yield from on_cores(
            lambda encoder, sound: next(steps_of([hear(sound, settings, without_speech)], encoder)),
            encoders,
            sounds,
        )
        return
    while some := list(islice(sounds, TOGETHER)):
        yield from steps_of([hear(sound, settings, without_speech) for sound in some], encoders[0])


def steps_of(windows: list[Speech | None], encoder: SpeechEncoder) -> Iterator[Steps]:
    """The steps of what is heard in each window; no steps where nothing is."""
    steps = iter(embed_speech(encoder, [speech for speech in windows if speech is not None]))
    for speech in windows:
        yield (np.zeros((0, encoder.dim), np.float32), np.zeros(0)) if speech is None else next(steps)
