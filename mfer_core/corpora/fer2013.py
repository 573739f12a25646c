"""FER-2013: faces labelled with seven emotions; what the ViT is trained on.

Source: https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge
(Goodfellow et al. 2013, doi:10.1016/j.neunet.2014.09.005). Licence: research use. Size: 35,887 grey images of
48x48 pixels.

Three layouts, looked for in this order (see face_layouts.py):
fer2013.csv        columns emotion (0 angry 1 disgust 2 fear 3 happy 4 sad 5 surprise 6 neutral), pixels,
                   Usage
                   (Training 28,709, PublicTest 3,589, PrivateTest 3,589); also inside a zip
image folders      train/<emotion>/*, test/<emotion>/*; the emotion is the folder's name, never its
                   alphabetical number
a zip of these     read without unpacking

Part: the csv's Usage; of an image the prefix of its name (PublicTest_123.jpg), else its folder. A test/ whose
names have no prefix merges both official test parts: its images count as PublicTest, for early stopping, and
no PrivateTest exists. 13 images are blank (one grey level, but for compression): rejected. A clip's content
is its 48x48 grey levels.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mfer_core.base.errors import ClipError, MferError
from mfer_core.corpora.contract import Facts, Measured
from mfer_core.corpora.face_layouts import SIDE, FaceLayout, open_layout
from mfer_core.corpora.sources import Source
from mfer_core.media.probe import Media

SOURCE = Source(
    page="https://www.kaggle.com/c/"
    "challenges-in-representation-learning-facial-expression-recognition-challenge/data",
    licence="research use",
    instructions="download it with a Kaggle account",
    layout="fer2013.csv, the folders train/ and test/, or a zip of either",
    clips=35_887,
)
LANGUAGE = None
BLANK_RANGE = 8  # grey levels: blank JPEGs span up to 3, the flattest faces 20
MEDIA = Media(has_video=True, width=SIDE, height=SIDE)


def prepare(folder: Path, corpus: Any) -> FaceLayout:
    """Raises MferError where the folder holds none of the three layouts."""
    return open_layout(folder)


def find(folder: Path, metadata: FaceLayout) -> list[str]:
    """One path per image: of a file, a member of a zip or a row of a csv."""
    return metadata.names


def read(path: str, metadata: FaceLayout) -> Facts:
    """Raises ClipError "unknown name" or "no label"."""
    return Facts(label=metadata.label(path), split=metadata.part(path))


def measure(
    folder: Path, paths: list[str], metadata: FaceLayout, workers: int
) -> Iterator[tuple[str, Measured | ClipError]]:
    """Hash of the grey levels; ClipError "blank", "unreadable" or "not 48x48"."""
    for path, image in metadata.images(paths):
        if isinstance(image, ClipError):
            yield path, image
        elif int(image.max()) - int(image.min()) < BLANK_RANGE:
            yield path, ClipError("blank")
        else:
            yield path, Measured(sha256=hashlib.sha256(image.tobytes()).hexdigest(), media=MEDIA)


def read_faces(folder: Path, manifest: pd.DataFrame) -> np.ndarray:
    """Grey levels of the manifest's images: uint8 [N, 48, 48] in manifest order.

    Raises MferError naming the first image that is gone or has changed into something unreadable.
    """
    rows = {path: row for row, path in enumerate(manifest.path)}
    faces = np.zeros((len(rows), SIDE, SIDE), np.uint8)
    for path, image in open_layout(Path(folder)).images(list(rows)):
        if isinstance(image, ClipError):
            raise MferError(f"{folder}: {path}: {image}: run ingest again")
        faces[rows[path]] = image
    return faces
