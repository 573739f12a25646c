"""Everyone in a recording: a prediction for each person whose face or voice is told from others'."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mfer_core.media.parts import RecordingParts
from mfer_core.media.people import FACES, People, find_people
from mfer_core.prediction.results_folder import MAIN, PersonResult, Turn
from mfer_core.prediction.speakers import find_turns, join_faces
from mfer_core.prediction.windows import RecordingEmbeddings, StepsFile, stretch

if TYPE_CHECKING:
    from mfer_core.prediction.predictor import Predictor

CHUNK = 256  # faces decoded at a time


def examine_people(
    predictor: "Predictor",
    path: str,
    parts: RecordingParts,
    embedded: RecordingEmbeddings,
    spans: list[tuple[float, float]],
    step_s: float,
) -> tuple[list[PersonResult], list[Turn]]:
    """A result per person, and who speaks when. There is none of a single person, whom the main rows are of.

    People with a face come first, in the order of their appearance; then the voices that belong to no face.
    A person has a row for a window where they are seen or heard in what the window speaks for.
    """
    people = find_people(parts.faces(*FACES))
    turns = join_faces(find_turns(parts, predictor.voices), people, predictor.voices is not None)
    speakers = list(dict.fromkeys(turn.speaker for turn in turns))
    if max(people.count, len(speakers)) < 2:
        return [], [replace(turn, person=MAIN if turn.person else None) for turn in turns]
    values = _embed_faces(predictor, parts, people, embedded)
    frame_s = 1 / predictor.settings.extract.frames_per_second

    def result(name: str, rows: np.ndarray, picture: bytes) -> PersonResult:
        own = [turn for turn in turns if (turn.person or turn.speaker) == name]
        times = people.time_s[rows]
        voice = _voice(embedded, own, parts.folder / f"{name}.f32")
        alone = RecordingEmbeddings(values[rows[people.person >= 0]], times, *voice, embedded.duration_s)
        present = _present(spans, step_s, embedded.duration_s, times, alone.audio_s)
        starts = [*times[:1], *(turn.start_s for turn in own)]
        ends = [*(times[-1:] + frame_s), *(turn.end_s for turn in own)]
        spoken_s = sum(turn.end_s - turn.start_s for turn in own)
        facts = (len(times) * frame_s, spoken_s, float(min(starts)), float(max(ends)), picture)
        return PersonResult(name, *facts, *predictor.tables(path, alone, present))

    results = [
        result(people.name(number), people.person == number, picture)
        for number, picture in enumerate(_pictures(parts, people))
    ]
    nobody = np.zeros(len(people.person), bool)
    faceless = {turn.speaker for turn in turns if turn.person is None and len(speakers) > 1}
    results += [result(name, nobody, b"") for name in speakers if name in faceless]
    return [one for one in results if len(one.table)], turns


def _voice(embedded: RecordingEmbeddings, turns: list[Turn], file: Path) -> tuple[np.ndarray, np.ndarray]:
    """The sound's embeddings [T, D] within some turns, and their times [T]. They lie on disk."""
    with StepsFile(file, embedded.audio.shape[1]) as steps:
        for turn in turns:
            first, last = np.searchsorted(embedded.audio_s, (turn.start_s, turn.end_s))
            steps.add(embedded.audio[first:last], embedded.audio_s[first:last])
    return steps.steps()


def _present(
    spans: list[tuple[float, float]], step_s: float, duration_s: float, *times: np.ndarray
) -> list[tuple[float, float]]:
    """The windows in whose own stretch somebody is seen or heard, at ``times`` in order."""
    window_s = spans[0][1] - spans[0][0]
    stretches = np.array([stretch(span, window_s, step_s, duration_s) for span in spans])
    counts = np.sum([np.diff(np.searchsorted(one, stretches), axis=1)[:, 0] for one in times], axis=0)
    return [span for span, count in zip(spans, counts, strict=True) if count]


def _embed_faces(
    predictor: "Predictor", parts: RecordingParts, people: People, embedded: RecordingEmbeddings
) -> np.ndarray:
    """Embeddings [N, D] of the faces that are followed, in order. The main ones are embedded already."""
    with StepsFile(parts.folder / "faces.f32", embedded.visual.shape[1]) as file:
        for rows in _chunks(parts, people):
            values = np.empty((len(rows), embedded.visual.shape[1]), np.float32)
            main = rows.main.to_numpy()
            values[main] = embedded.visual[rows.frame[main]]
            values[~main] = predictor.embed_images(rows.image[~main])
            file.add(values, rows.time_s.to_numpy())
    return file.steps()[0]


def _chunks(parts: RecordingParts, people: People) -> Iterable[pd.DataFrame]:
    """The faces that are followed, ``CHUNK`` at a time."""
    first = 0
    for table in parts.faces("frame", "main", "time_s", "image"):
        rows = table[people.person[first : first + len(table)] >= 0]
        first += len(table)
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
