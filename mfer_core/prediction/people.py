"""Everyone in a recording: a prediction for each person whose face or voice is told from others'."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from mfer_core.media.parts import RecordingParts
from mfer_core.media.people import FACES, People, find_people
from mfer_core.prediction.results_folder import MAIN, PersonResult, Turn
from mfer_core.prediction.speakers import find_turns, join_faces
from mfer_core.prediction.windows import Part, RecordingEmbeddings, Span, Steps, StepsFile, stretch

if TYPE_CHECKING:
    from mfer_core.prediction.predictor import Predictor

CHUNK = 256  # faces decoded at a time


@dataclass(frozen=True)
class PersonSteps:
    """The embeddings from which one person is judged; those of "main" are all of the recording's."""

    embedded: RecordingEmbeddings
    windows: Collection[int]  # the numbers of the windows that the person has
    turns: "PersonTurns | None" = None  # whose sound a window's steps are; None takes all of it

    def heard(self, sound: Steps) -> torch.Tensor:
        """The person's steps [T, D] of a window's sound."""
        values, times = sound
        chosen = slice(None) if self.turns is None else self.turns.mask(times)
        return torch.from_numpy(np.array(values[chosen]))


@dataclass(frozen=True)
class PersonTurns:
    """All turns of a recording in order of time, and which of them are one person's."""

    starts: np.ndarray  # [N] seconds
    ends: np.ndarray  # [N]
    mine: np.ndarray  # bool [N]

    def mask(self, times: np.ndarray) -> np.ndarray:
        """bool [T]: the steps nearest to the person's turns, pauses included, as a clip of a person has them;
        none where no step lies within such a turn.
        """
        nearest = np.searchsorted((self.ends[:-1] + self.starts[1:]) / 2, times, side="right")
        if not len(self.mine):
            return np.zeros(len(times), bool)
        chosen = self.mine[nearest]
        inside = (times >= self.starts[nearest]) & (times < self.ends[nearest])
        return chosen if (chosen & inside).any() else np.zeros(len(times), bool)


def window_parts(
    everyone: Sequence[PersonSteps],
    spans: list[Span],
    sounds: Iterable[Steps],
    judged: list[tuple[int, Span]],
) -> Iterator[Part]:
    """What each person is judged from in each of their windows; ``judged`` takes down whose and which."""
    for number, (span, sound) in enumerate(zip(spans, sounds, strict=True)):
        for index, person in enumerate(everyone):
            if number in person.windows:
                judged.append((index, span))
                yield person.embedded.seen(span), person.heard(sound)


@dataclass(frozen=True)
class Somebody:
    """One of several people before they are judged."""

    name: str
    steps: PersonSteps
    times: tuple[float, float, float, float]  # as of PersonResult: seen_s, spoken_s, first_s, last_s
    picture: bytes

    def result(self, table: pd.DataFrame, timeline: pd.DataFrame) -> PersonResult:
        return PersonResult(self.name, *self.times, self.picture, table, timeline)


def find_everyone(
    predictor: "Predictor",
    parts: RecordingParts,
    embedded: RecordingEmbeddings,
    spans: list[Span],
    step_s: float,
) -> tuple[list[Somebody], list[Turn]]:
    """Everyone of a recording with several people, and who speaks when. A single person is nobody here: the
    main rows are theirs.

    People with a face come first, in the order of their appearance; then the voices that belong to no face.
    A person has a row for a window where they are seen or heard in what the window speaks for.
    """
    people = find_people(parts.faces(*FACES))
    turns = join_faces(find_turns(parts, predictor.voices), people, predictor.voices is not None)
    speakers = list(dict.fromkeys(turn.speaker for turn in turns))
    if max(people.count, len(speakers)) < 2:
        return [], [replace(turn, person=MAIN if turn.person else None) for turn in turns]
    faces = _embed_faces(predictor, parts, people, embedded)
    frame_s = 1 / predictor.settings.extract.frames_per_second
    starts, ends = (np.array([getattr(turn, side) for turn in turns]) for side in ("start_s", "end_s"))

    def somebody(name: str, face: Steps, picture: bytes) -> Somebody:
        mine = np.array([(turn.person or turn.speaker) == name for turn in turns], bool)
        times = face[1]
        voice = _voice(
            embedded,
            [turn for turn, is_theirs in zip(turns, mine, strict=True) if is_theirs],
            parts.folder / name,
        )
        alone = RecordingEmbeddings(*face, *voice, embedded.duration_s)
        present = _present(spans, step_s, embedded.duration_s, times, alone.audio_s)
        first_s, last_s = min([*times[:1], *starts[mine]]), max([*(times[-1:] + frame_s), *ends[mine]])
        seconds = len(times) * frame_s, float((ends - starts)[mine].sum()), float(first_s), float(last_s)
        return Somebody(name, PersonSteps(alone, present, PersonTurns(starts, ends, mine)), seconds, picture)

    everyone = [
        somebody(people.name(number), face, picture)
        for number, (face, picture) in enumerate(zip(faces, _pictures(parts, people), strict=True))
    ]
    nobody = np.zeros((0, embedded.visual.shape[1]), np.float32), np.zeros(0)
    faceless = {turn.speaker for turn in turns if turn.person is None and len(speakers) > 1}
    return [*everyone, *(somebody(name, nobody, b"") for name in speakers if name in faceless)], turns


def _voice(embedded: RecordingEmbeddings, turns: list[Turn], file: Path) -> Steps:
    """The sound's steps within some turns. They lie on disk."""
    with StepsFile(file.with_suffix(".f32"), embedded.audio.shape[1]) as steps:
        for turn in turns:
            first, last = np.searchsorted(embedded.audio_s, (turn.start_s, turn.end_s))
            steps.add(embedded.audio[first:last], embedded.audio_s[first:last])
    return steps.steps()


def _present(spans: list[Span], step_s: float, duration_s: float, *times: np.ndarray) -> frozenset[int]:
    """The windows in whose own stretch somebody is seen or heard, at ``times`` in order."""
    window_s = spans[0][1] - spans[0][0]
    stretches = np.array([stretch(span, window_s, step_s, duration_s) for span in spans])
    counts = np.sum([np.diff(np.searchsorted(one, stretches), axis=1)[:, 0] for one in times], axis=0)
    return frozenset(np.flatnonzero(counts).tolist())


def _embed_faces(
    predictor: "Predictor", parts: RecordingParts, people: People, embedded: RecordingEmbeddings
) -> list[Steps]:
    """The embeddings of each person's faces. They lie on disk; the main ones are embedded already."""
    dim = embedded.visual.shape[1]
    names = (f"face-{number}.f32" for number in range(people.count))
    with ExitStack() as opened:
        files = [opened.enter_context(StepsFile(parts.folder / name, dim)) for name in names]
        for rows in _chunks(parts, people):
            values = np.empty((len(rows), dim), np.float32)
            main = rows.main.to_numpy()
            values[main] = embedded.visual[rows.frame[main]]
            values[~main] = predictor.embed_images(rows.image[~main])
            for number in rows.person.unique():
                theirs = (rows.person == number).to_numpy()
                files[number].add(values[theirs], rows.time_s[theirs].to_numpy())
    return [file.steps() for file in files]


def _chunks(parts: RecordingParts, people: People) -> Iterable[pd.DataFrame]:
    """The faces that are followed, and whose they are (``person``), ``CHUNK`` at a time."""
    first = 0
    for table in parts.faces("frame", "main", "time_s", "image"):
        table["person"] = people.person[first : first + len(table)]
        first += len(table)
        rows = table[table.person >= 0]
        yield from (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))


def _pictures(parts: RecordingParts, people: People) -> list[bytes]:
    """The largest face crop of each person."""
    area = np.prod(people.box[:, 2:] - people.box[:, :2], axis=1)
    largest = [int(np.argmax(np.where(people.person == number, area, -1))) for number in range(people.count)]
    crops: dict[int, bytes] = {}
    first = 0
    for table in parts.faces("image"):
        crops |= {row: table.image[row - first] for row in largest if 0 <= row - first < len(table)}
        first += len(table)
    # The main face's crop is the picture itself.
    frames = sorted({int(people.frame[row]) for row in largest if people.main[row]})
    main = dict(zip(frames, parts.frames_at(frames), strict=True))
    return [main[int(people.frame[row])]["image"] if people.main[row] else crops[row] for row in largest]
