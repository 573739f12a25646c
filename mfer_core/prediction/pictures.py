"""A recording's pictures through the image encoder."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from mfer_core.encoders.contract import FaceEncoder
from mfer_core.encoders.cores import on_cores
from mfer_core.media.read import decode_image
from mfer_core.prediction.window_sound import BATCH_GIB
from mfer_core.prediction.windows import Steps

FRAMES = 64  # decoded and embedded at a time


def embed_pictures(encoders: Sequence[FaceEncoder], parts: Iterable[list[dict]]) -> Iterator[Steps]:
    """The steps of the FRAMEs of each part, some at a time; each of the ``encoders``, which are the same one
    for several threads, takes some.
    """
    some = (rows[start : start + FRAMES] for rows in parts for start in range(0, len(rows), FRAMES))
    return on_cores(_embed, encoders, some)


def _embed(encoder: FaceEncoder, rows: list[dict]) -> Steps:
    values = encoder.embed([decode_image(row["image"]) for row in rows], BATCH_GIB)
    return values, np.array([row["time_s"] for row in rows])
