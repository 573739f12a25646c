"""Who is who in a recording: tracks of faces, cut where another person takes a place and joined over gaps.

A track ends when its face is away for some seconds, and goes on over a cut of the film when another face
appears in its place. So a track is first cut where its look changes, and the pieces are then given to people
in order of time: to one who looks alike and is not on screen meanwhile, or to somebody new. A face that comes
back where it was left needs to look less alike than one that comes back elsewhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd

from mfer_core.media.looks import MOUTH_SIZE
from mfer_core.media.tracks import MIN_OVERLAP, overlap

# Likenesses of looks.py. Measured: one face of a film is 0.93 to 0.99 like itself 0.2 s before, and 0.88 to
# 0.99 over a minute; two people in one light and before one wall are at most 0.90 alike, elsewhere below 0.8.
SAME_FACE = 0.92  # A face that is less like the one before it in its track is another in its place.
SAME_PERSON = 0.92  # Two pieces of tracks that are at least so alike may be one person.
SAME_PLACE = 0.90  # The same where one ends and the other begins at one place.
SHORTEST_S = 1.0  # Whoever is seen for less in all is not followed.
MOST_PEOPLE = 12  # Those seen longest are followed.
# The columns of RecordingParts.faces that telling people apart needs.
FACES = ("frame", "main", "time_s", "track", "x0", "y0", "x1", "y1", "look", "mouth")


@dataclass
class _Piece:
    """A part of one track that shows one person."""

    start_s: float
    end_s: float
    first_box: np.ndarray
    last_box: np.ndarray
    last_look: np.ndarray
    looks: np.ndarray  # the sum over all faces
    frames: int = 1

    def goes_on(self, look: np.ndarray) -> bool:
        return float(look @ self.last_look) >= SAME_FACE

    def add(self, time_s: float, box: np.ndarray, look: np.ndarray) -> None:
        self.end_s, self.last_box, self.last_look = time_s, box, look
        self.looks, self.frames = self.looks + look, self.frames + 1


@dataclass
class _Somebody:
    """The pieces of one person so far."""

    pieces: list[int]
    looks: np.ndarray  # the sum over all faces
    end_s: float
    last_box: np.ndarray

    def score(self, piece: _Piece) -> float:
        """By how much ``piece`` looks more like this person than it has to; below 0 it is somebody else."""
        if self.end_s >= piece.start_s:
            return -1.0
        stayed = overlap(self.last_box[None], piece.first_box[None])[0, 0] >= MIN_OVERLAP
        lengths = np.linalg.norm(self.looks) * np.linalg.norm(piece.looks)
        return float(self.looks @ piece.looks / lengths) - (SAME_PLACE if stayed else SAME_PERSON)

    def take(self, index: int, piece: _Piece) -> None:
        self.pieces.append(index)
        self.looks = self.looks + piece.looks
        self.end_s, self.last_box = max(self.end_s, piece.end_s), piece.last_box


@dataclass(frozen=True)
class People:
    """Which face of which frame is whose. A row per face of RecordingParts.faces, in the same order."""

    person: np.ndarray  # int [N]: 0, 1, ... by first appearance; -1 for a face that is not followed
    frame: np.ndarray  # int [N]: the place of the face's frame among all pictures
    main: np.ndarray  # bool [N]: whether the face is the one that the main rows see
    time_s: np.ndarray  # [N] seconds on the recording's clock
    box: np.ndarray  # float32 [N, 4]: x0, y0, x1, y1, pixels of the displayed frame
    mouth: np.ndarray  # uint8 [N, M]: a small picture of the mouth

    @staticmethod
    def name(number: int) -> str:
        return f"person {number + 1}"

    def mouth_movement(self, number: int, during: np.ndarray) -> float:
        """How much a person's mouth changes from picture to picture ``during`` (bool [N]) some time: the mean
        difference of its grey values, whatever the light. 0 for fewer than two pictures.
        """
        mouths = self.mouth[during & (self.person == number)].astype(np.float32)
        if len(mouths) < 2:
            return 0.0
        mouths -= mouths.mean(1, keepdims=True)
        return float(np.abs(np.diff(mouths, axis=0)).mean())

    @property
    def count(self) -> int:
        return int(self.person.max(initial=-1)) + 1


_NO_FACES = (
    *(np.zeros(0, kind) for kind in (int, int, bool, float)),
    np.zeros((0, 4), np.float32),
    np.zeros((0, MOUTH_SIZE), np.uint8),
)


def find_people(parts: Iterable[pd.DataFrame]) -> People:
    """Tell people apart in ``FACES`` of a recording's parts, one part in memory at a time."""
    pieces: list[_Piece] = []
    current: dict[int, int] = {}  # track -> piece
    columns: list[tuple[np.ndarray, ...]] = []
    for part in parts:
        if not len(part):
            continue
        boxes, piece_of = part[["x0", "y0", "x1", "y1"]].to_numpy(), np.zeros(len(part), int)
        # A look of the table's would keep all of its part's in memory.
        faces = zip(part.track, part.time_s, boxes, map(np.array, part.look), strict=True)
        for row, (track, time_s, box, look) in enumerate(faces):
            piece = current.get(track)
            if piece is not None and pieces[piece].goes_on(look):
                pieces[piece].add(time_s, box, look)
            else:
                current[track] = len(pieces)
                pieces.append(_Piece(time_s, time_s, box, box, look, look))
            piece_of[row] = current[track]
        columns.append((piece_of, part.frame, part.main, part.time_s, boxes, np.stack(list(part.mouth))))
    piece_of, *rows = (np.concatenate(column) for column in zip(*columns or [_NO_FACES], strict=True))
    return People(_numbered(pieces)[piece_of] if pieces else piece_of, *rows)


def _numbered(pieces: list[_Piece]) -> np.ndarray:
    """int [pieces]: the person of each, by first appearance; -1 for those who are seen too little."""
    people = _join(pieces)
    lengths = [[pieces[index].end_s - pieces[index].start_s for index in one.pieces] for one in people]
    seconds = [round(sum(one), 1) for one in lengths]
    longest = sorted(range(len(people)), key=lambda index: -seconds[index])[:MOST_PEOPLE]
    followed = sorted(index for index in longest if seconds[index] >= SHORTEST_S)
    numbers = np.full(len(pieces), -1)
    for number, index in enumerate(followed):
        numbers[people[index].pieces] = number
    return numbers


def _join(pieces: list[_Piece]) -> list[_Somebody]:
    """Give every piece to a person, in order of time; of pieces that start together, the likest first. Who is
    new is counted from left to right.
    """
    people: list[_Somebody] = []
    order = sorted(range(len(pieces)), key=lambda index: (pieces[index].start_s, pieces[index].first_box[0]))
    for _, group in groupby(order, key=lambda index: pieces[index].start_s):
        together = list(group)
        scores = np.array([[one.score(pieces[index]) for one in people] for index in together])
        while scores.size and scores.max() >= 0:
            row, column = np.unravel_index(scores.argmax(), scores.shape)
            people[column].take(together[row], pieces[together[row]])
            scores[row, :] = scores[:, column] = -1
            together[row] = -1
        for index in together:
            if index >= 0:
                piece = pieces[index]
                people.append(_Somebody([index], piece.looks, piece.end_s, piece.last_box))
    return people
