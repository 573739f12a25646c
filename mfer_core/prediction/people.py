"""Everyone in the picture: a prediction for each person whose face is followed through a recording."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mfer_core.media.parts import RecordingParts
from mfer_core.media.people import FACES, People, find_people
from mfer_core.prediction.results_folder import PersonResult
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
) -> list[PersonResult]:
    """A result per person, by first appearance; none where there is only one, whom the main rows see.

    A person has a row for a window where they are seen in what the window speaks for.
    """
    people = find_people(parts.faces(*FACES))
    if people.count < 2:
        return []
    values = _embed_faces(predictor, parts, people, embedded)
    pictures = _pictures(parts, people)
    followed = people.person[people.person >= 0]
    frame_s = 1 / predictor.settings.extract.frames_per_second
    results = []
    for number, picture in enumerate(pictures):
        times = people.time_s[people.person == number]
        alone = replace(
            embedded,
            visual=values[followed == number],
            visual_s=times,
            audio=embedded.audio[:0],
            audio_s=embedded.audio_s[:0],
        )
        tables = predictor.tables(path, alone, _seen(spans, step_s, embedded.duration_s, times))
        facts = (len(times) * frame_s, float(times[0]), float(times[-1]) + frame_s)
        results.append(PersonResult(f"person {number + 1}", *facts, picture, *tables))
    return results


def _seen(
    spans: list[tuple[float, float]], step_s: float, duration_s: float, times: np.ndarray
) -> list[tuple[float, float]]:
    """The windows in whose own stretch somebody is seen, at ``times`` in order."""
    window_s = spans[0][1] - spans[0][0]
    stretches = np.array([stretch(span, window_s, step_s, duration_s) for span in spans])
    counts = np.diff(np.searchsorted(times, stretches), axis=1)[:, 0]
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
