"""The image encoder's own classifier frame by frame: the zero-shot baseline before a clip's frames are
averaged.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from mfer_core.base.files import read_table, write_table
from mfer_core.base.labels import head_classes
from mfer_core.cache.embeddings import open_embeddings
from mfer_core.cache.heads import Head, by_class, known_classes, read_head
from mfer_core.evaluation.tables import percent

FRAMES_FILE = "zero_shot_frames.parquet"
FACTS = [("clip_id", pa.string()), ("time_s", pa.float32())]
FRAMES_NOTE = (
    "A clip's score is the mean of its frames' probabilities. Frames of one clip are alike and not "
    "independent: their number says little about how sure a figure is, the number of clips (and of people) "
    "does."
)


def write_frames(folder: Path, path: Path) -> None:
    """Write ``path``, a row per frame: clip_id, time_s on the clip's clock, and a float32 probability per
    label of the encoder's head.

    ``folder`` is data/embed/visual/<corpus>; the labels are spelt as in the checkpoint. An encoder without a
    head leaves no rows and no labels. Raises MferError when the head is broken.
    """
    head = read_head(folder)
    schema = pa.schema([*FACTS, *((label, pa.float32()) for label in (head.labels if head else []))])
    tables = [pa.table(columns, schema) for columns in (_frames(folder, head) if head else ())]
    write_table(path, pa.concat_tables([schema.empty_table(), *tables]).combine_chunks())


def _frames(folder: Path, head: Head) -> Iterator[list[pa.Array]]:
    """Yield the columns of each clip's frames, in clip order."""
    embeddings = open_embeddings(folder)
    times = embeddings.times()
    for clip_id, values in embeddings.items():
        clips = pa.array([clip_id] * len(values), pa.string())
        yield [clips, pa.array(times[clip_id]), *head.probabilities(values).T.astype(np.float32)]


def frames_table(path: Path, manifest: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """Per class and over all: how often the head is right about a frame, and about a clip. Empty where it
    knows fewer than two of ``classes``.

    ``path`` is what ``write_frames`` wrote. As for the clip rows, clips of a class that the head does not
    know are not scored.
    """
    frames = read_table(path)
    labels = list(frames.columns[len(FACTS) :])
    known = known_classes(labels, classes)
    if len(known) < 2:
        return pd.DataFrame()
    label_of = manifest.set_index("clip_id").label
    shares = frames[frames.clip_id.isin(label_of.index)].set_index("clip_id")[labels].astype(np.float64)
    rows = {name: {"emotion": name} for name in (*known, "all")}
    names = head_classes(labels, classes)
    for unit, scored in {"frame": shares, "clip": shares.groupby(level=0).mean()}.items():
        guesses = np.array(classes)[np.nanargmax(by_class(names, scored.to_numpy(), classes), axis=1)]
        right = pd.Series(guesses == label_of[scored.index], scored.index).groupby(
            label_of[scored.index].to_numpy()
        )
        counts = right.agg(["size", "sum"]).reindex(known, fill_value=0)
        for name, count in [*counts.iterrows(), ("all", counts.sum())]:
            share = count["sum"] / count["size"] if count["size"] else None
            rows[name] |= {f"{unit}s": str(int(count["size"])), f"{unit}s right %": percent(share)}
    return pd.DataFrame(rows.values())
