"""What extraction keeps of a corpus: Parquet shards, a row per clip (see cache/schemas.py), in row groups of
a few clips.

So a clip, or a column of all clips, is read without the rest of its shard.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mfer_core.base.errors import MferError, one_line
from mfer_core.cache.schemas import EXTRACTED
from mfer_core.cache.shards import ShardFolder, shard_files
from mfer_core.media.read import FrameSequence, Speech, decode_frames, keep_speech
from mfer_core.media.result import ExtractedClip

SUFFIX = ".parquet"
FACTS = [name for name in EXTRACTED.names if name not in ("frames", "waveform")]
PICTURES = ["frames.list.element.time_s", "frames.list.element.image"]
# clips of a row group: each costs the reader of all facts 0.2 ms, and the reader of one clip the others'
# bytes
GROUP = 4
OPEN_FILES = 64  # shards whose footers stay in memory while clips are read in any order
KEPT_GROUPS = 16  # row groups that stay in memory: clips in their own order are spread over the shards
EARLIER = ("frames", "waveforms", "clips")  # the folders that one corpus had before


class ExtractedShards(ShardFolder[pa.Table]):
    """A folder of extracted clips to be written; a row is a table of one row."""

    suffix = SUFFIX

    def read_pairs(self, path: Path) -> Iterable[tuple[str, str]]:
        table = _read_columns(path, ["clip_id", "key"])
        return zip(table["clip_id"].to_pylist(), table["key"].to_pylist(), strict=True)

    def read_row(self, path: Path, number: int) -> pa.Table:
        with _damage_is_a_line(path):
            return pq.ParquetFile(path).read_row_group(number // GROUP).slice(number % GROUP, 1)

    def write_rows(self, path: Path, rows: Iterable[pa.Table]) -> None:
        # Images and samples hardly repeat, and nothing is searched for by its range: neither pays for its
        # room.
        plain = {"use_dictionary": False, "write_statistics": False}
        with pq.ParquetWriter(path, EXTRACTED, compression="zstd", **plain) as writer:
            coming = iter(rows)
            while group := list(islice(coming, GROUP)):
                writer.write_table(pa.concat_tables(group), GROUP)


def extracted_row(clip_id: str, key: str, clip: ExtractedClip) -> pa.Table:
    """A clip as it is written."""
    row = {"clip_id": clip_id, "key": key, **clip.facts, "frames": clip.frames, "waveform": clip.waveform}
    return pa.Table.from_pylist([row], EXTRACTED)


class Extracted:
    """The extracted clips of some corpora, read one at a time, in any order."""

    def __init__(self, files: list[Path]):
        tables = [_read_columns(path, FACTS) for path in files]
        facts = pa.concat_tables([EXTRACTED.empty_table().select(FACTS), *tables]).to_pandas()
        self.facts: pd.DataFrame = facts.set_index("clip_id", drop=False)  # every clip, rejected ones too
        self._rows = {
            clip_id: (path, number)
            for path, table in zip(files, tables, strict=True)
            for number, clip_id in enumerate(table["clip_id"].to_pylist())
        }
        self._opened = lru_cache(OPEN_FILES)(pq.ParquetFile)
        self._group = lru_cache(KEPT_GROUPS)(self._read_group)

    def keys(self, modality: str) -> dict[str, str]:
        """clip_id -> key, in clip order, of the clips with pictures ("visual") or sound ("audio")."""
        present = self.facts.frame_count > 0 if modality == "visual" else self.facts.speech_s.notna()
        return dict(sorted(self.facts.key[present].items()))

    def clip(self, clip_id: str) -> dict:
        """The whole row as Python values. Raises KeyError."""
        return self._read(clip_id).to_pylist()[0]

    def frames(self, clip_id: str) -> FrameSequence:
        """The pictures of a clip that has some. Raises KeyError."""
        row = self._read(clip_id, ("key", *PICTURES))
        frames = row["frames"].combine_chunks().flatten()
        if not len(frames):
            raise KeyError(clip_id)
        times, images = frames.field("time_s").to_numpy(), frames.field("image").to_pylist()
        return FrameSequence(clip_id, row["key"][0].as_py(), times, decode_frames(images))

    def speech(self, clip_id: str, vad_min_clip_s: float) -> Speech:
        """The sound of a clip that has some, after the method's rule (see ``keep_speech``). Raises
        KeyError.
        """
        row = self._read(clip_id, ("key", "waveform"))
        waveform = row["waveform"].combine_chunks()
        if waveform.null_count:
            raise KeyError(clip_id)
        facts = {name: waveform.field(name)[0].as_py() for name in ("sample_rate", "offset_s", "speech")}
        samples = waveform.field("samples").flatten().to_numpy()
        return keep_speech(clip_id, row["key"][0].as_py(), {**facts, "samples": samples}, vad_min_clip_s)

    def all_speech(self, vad_min_clip_s: float) -> Iterator[Speech]:
        """The sound of every clip that has some, in clip order, one in memory at a time."""
        return (self.speech(clip_id, vad_min_clip_s) for clip_id in self.keys("audio"))

    def _read(self, clip_id: str, columns: tuple[str, ...] | None = None) -> pa.Table:
        path, number = self._rows[clip_id]
        return self._group(path, number // GROUP, columns).slice(number % GROUP, 1)

    def _read_group(self, path: Path, number: int, columns: tuple[str, ...] | None) -> pa.Table:
        with _damage_is_a_line(path):
            return self._opened(path).read_row_group(number, columns and [*columns])


def _read_columns(path: Path, columns: list[str]) -> pa.Table:
    with _damage_is_a_line(path):
        return pq.read_table(path, columns=columns, partitioning=None)


@contextmanager
def _damage_is_a_line(path: Path) -> Iterator[None]:
    """Raise MferError that says what to do about a shard that is damaged."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        if getattr(error, "errno", None):  # The system refused it, whatever the file holds.
            raise
        fault = f"cannot read {path}: {one_line(error)}; remove it and run extract again"
        raise MferError(fault) from error


def open_extracted(*folders: Path) -> Extracted:
    """The extracted clips of some corpora. Raises MferError when the stage has not run, or ran in an earlier
    version.
    """
    for folder in folders:
        if not folder.is_dir() and earlier_folders(folder):
            raise MferError(f"{folder.parent} is of an earlier version: run extract again for {folder.name}")
    return Extracted([path for folder in folders for path in shard_files(folder, SUFFIX, "extract")])


def earlier_folders(folder: Path) -> list[Path]:
    """Where an earlier version kept what is now in ``folder``."""
    return [path for name in EARLIER if (path := folder.parent / name / folder.name).is_dir()]
