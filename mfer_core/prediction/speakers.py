"""Who speaks when: Silero's speech segments, told apart by voice, and whose face a voice belongs to.

Each segment is cut into pieces of ``PIECE_S``, as FunASR's own pipeline does; a speaker encoder turns them
into embeddings, and pieces that sound alike are one speaker (average linkage of cosine distances). Without a
speaker encoder all speech is one speaker's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from mfer_core.cache.schemas import SAMPLE_RATE
from mfer_core.encoders.speaker import SpeakerEncoder
from mfer_core.media.parts import RecordingParts
from mfer_core.media.people import People
from mfer_core.prediction.results_folder import Turn

PIECE_S, SHIFT_S = 1.5, 0.75
SHORTEST_S = 0.1  # A stretch of speech that is shorter says nothing about a voice.
CLUSTERED = 4000  # Pieces that are clustered; with more, the others go to the nearest speaker.
ALONE = 0.8  # Share of a turn's pictures that show one person and nobody else.
MOVES = 1.5  # A speaker's mouth moves so many times as much as anybody else's.
SURE = 0.8  # Share of a speaker's time, of what can be told, that has to belong to one face.


@dataclass(frozen=True)
class Voices:
    """What tells speakers apart."""

    encoder: SpeakerEncoder
    likeness: float  # The cosine from which on two voices are one.


def find_turns(parts: RecordingParts, voices: Voices | None) -> list[Turn]:
    """Turns in order of time; speakers are numbered by first appearance."""
    spans = [(first, last) for first, last, _ in _speech(parts)]
    if voices is None:
        return [Turn(first, last, "speaker 1", None) for first, last in spans]
    pieces: list[tuple[int, float, float]] = []  # segment, start and end in seconds
    embeddings = []
    for number, (first, _, samples) in enumerate(_speech(parts)):
        waveforms = []
        for start, end in _pieces(len(samples)):
            piece = samples[start:end].astype(np.float32) / 32768
            waveforms.append(np.pad(piece, (0, round(PIECE_S * SAMPLE_RATE) - len(piece))))
            pieces.append((number, first + start / SAMPLE_RATE, first + end / SAMPLE_RATE))
        embeddings.append(voices.encoder.embed(waveforms))
    if not pieces:
        return []
    labels = _cluster(np.concatenate(embeddings), voices.likeness)
    turns: list[Turn] = []
    for number, group in groupby(zip(pieces, labels, strict=True), key=lambda entry: entry[0][0]):
        turns += _turns(spans[number], [(start, end, label) for (_, start, end), label in group])
    return _numbered(turns)


def _speech(parts: RecordingParts) -> Iterator[tuple[float, float, np.ndarray]]:
    """Start and end on the recording's clock, and int16 samples, of every speech segment."""
    for sound in parts.sounds():
        for span in sound["speech"]:
            if span["end_s"] - span["start_s"] >= SHORTEST_S:
                first, last = (round(span[name] * SAMPLE_RATE) for name in ("start_s", "end_s"))
                times = (sound["offset_s"] + span[name] for name in ("start_s", "end_s"))
                yield (*times, sound["samples"][first:last])


def _pieces(length: int) -> Iterator[tuple[int, int]]:
    """First and last sample of pieces of ``PIECE_S`` every ``SHIFT_S``; the last one ends with the sound."""
    size, shift = (round(seconds * SAMPLE_RATE) for seconds in (PIECE_S, SHIFT_S))
    for start in range(0, max(1, length - size + shift), shift):
        end = min(start + size, length)
        yield max(0, end - size), end


def _cluster(embeddings: np.ndarray, likeness: float) -> np.ndarray:
    """int [N]: whose voice each piece is."""
    from sklearn.cluster import AgglomerativeClustering

    if len(embeddings) == 1:
        return np.zeros(1, int)
    chosen = np.unique(np.linspace(0, len(embeddings) - 1, min(len(embeddings), CLUSTERED)).astype(int))
    clustering = AgglomerativeClustering(
        n_clusters=None, metric="cosine", linkage="average", distance_threshold=1 - likeness
    )
    labels = clustering.fit_predict(embeddings[chosen])
    centres = np.stack([embeddings[chosen][labels == label].mean(0) for label in range(labels.max() + 1)])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    nearest = (embeddings @ centres.T).argmax(1)
    nearest[chosen] = labels
    return nearest


def _turns(span: tuple[float, float], pieces: list[tuple[float, float, int]]) -> Iterator[Turn]:
    """A segment's turns: where the speaker changes, the overlap of two pieces is shared."""
    first = span[0]
    for number, (_, end, label) in enumerate(pieces):
        following = pieces[number + 1] if number + 1 < len(pieces) else None
        if following is not None and following[2] == label:
            continue
        last = span[1] if following is None else (following[0] + end) / 2
        yield Turn(first, last, str(label), None)
        first = last


def _numbered(turns: list[Turn]) -> list[Turn]:
    names = {turn.speaker: None for turn in turns}
    numbers = {label: f"speaker {number}" for number, label in enumerate(names, 1)}
    return [replace(turn, speaker=numbers[turn.speaker]) for turn in turns]


def join_faces(turns: list[Turn], people: People, told_apart: bool) -> list[Turn]:
    """The turns with the person whose face a voice belongs to, where that is unambiguous.

    A turn belongs to the only person on screen, or to the one whose mouth moves most by far. Where voices are
    ``told_apart``, a speaker belongs to the person to whom nearly all of what can be told of them belongs.
    """
    seen = [_on_screen(turn, people) for turn in turns]
    if not told_apart:
        return [replace(turn, person=person) for turn, person in zip(turns, seen, strict=True)]
    owners = {}
    for speaker in {turn.speaker for turn in turns}:
        seconds: dict[str, float] = {}
        for turn, person in zip(turns, seen, strict=True):
            if turn.speaker == speaker and person is not None:
                seconds[person] = seconds.get(person, 0.0) + turn.end_s - turn.start_s
        best = max(seconds, key=lambda person: seconds[person], default=None)
        sure = best is not None and seconds[best] >= SURE * sum(seconds.values())
        owners[speaker] = best if sure else None
    return [replace(turn, person=owners[turn.speaker]) for turn in turns]


def _on_screen(turn: Turn, people: People) -> str | None:
    during = (people.time_s >= turn.start_s) & (people.time_s < turn.end_s) & (people.person >= 0)
    pictures = len(np.unique(people.frame[during]))
    counts = np.bincount(people.person[during], minlength=people.count)
    there = np.flatnonzero(counts >= (1 - ALONE) * pictures) if pictures else np.zeros(0, int)
    if len(there) == 1:
        return people.name(int(there[0])) if counts[there[0]] >= ALONE * pictures else None
    movements = sorted(
        ((people.mouth_movement(int(number), during), int(number)) for number in there), reverse=True
    )
    if len(movements) < 2 or not movements[0][0] > MOVES * movements[1][0]:
        return None
    return people.name(movements[0][1])
