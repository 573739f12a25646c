"""A recording of any length in parts: each is written as soon as it is whole, so memory does not grow with
the length.

Pictures and sound are cut separately, every ``PART_S`` seconds of their own. Faces are followed across the
cuts; speech is looked for in each part. A recording that is no longer than a part gives what ``extract_clip``
gives.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pyarrow as pa

from mfer_core.base.errors import ClipError
from mfer_core.base.memory import give_back
from mfer_core.base.settings import Extract
from mfer_core.cache.schemas import EXTRACTED, SAMPLE_RATE, SPAN, WAVEFORM
from mfer_core.media.clip import Reader, check_length, encode, frame_row, odd_notes, waveform_row
from mfer_core.media.decode import DecodedFrames, Recording, frame_time
from mfer_core.media.detector import local_detector
from mfer_core.media.faces import Crop, FaceCropper
from mfer_core.media.looks import MOUTH_SIZE, SIZE, look, mouth
from mfer_core.media.picture import Display
from mfer_core.media.sound import SoundCollector, Waveform

PART_S = 300.0
SUFFIX = ".arrow"  # uncompressed, so that it is mapped as it lies
# A row per frame and face: the frame's place among all pictures, the track, and the crop of a face that is
# not the main one, whose crop is the picture itself.
FACES = pa.schema(
    [
        ("frame", pa.int32()),
        ("time_s", pa.float64()),  # on the recording's clock, seconds
        ("track", pa.int32()),
        ("main", pa.bool_()),
        *((side, pa.float32()) for side in ("x0", "y0", "x1", "y1")),
        ("look", pa.list_(pa.float32(), SIZE)),
        ("mouth", pa.list_(pa.uint8(), MOUTH_SIZE)),
        ("image", pa.binary()),
    ]
)
PICTURES = pa.schema([EXTRACTED.field("frames")])
SOUND = pa.schema([EXTRACTED.field("waveform")])


def extract_parts(path: Path, settings: Extract, threads: int, folder: Path, part_s: float = PART_S) -> dict:
    """Write a recording's parts into ``folder``; returns its facts.

    Facts are EXTRACTED's, and ``most_faces`` (in one frame) and ``sound_s`` (length of the sound, seconds).
    Raises ClipError as ``extract_clip`` does.
    """
    try:
        return _extract(path, settings, threads, folder, part_s)
    finally:
        give_back()


def _extract(path: Path, settings: Extract, threads: int, folder: Path, part_s: float) -> dict:
    with Recording(path, settings.clip_time_limit_s, settings.max_duration_s, threads) as recording:
        writer = PartsWriter(Path(folder), settings, part_s)
        writer.reader = reader = Reader(recording, settings, writer)
        cropper = FaceCropper(Display(recording.aspect, settings.grayscale), local_detector(), settings, look)
        for crop in cropper.crops(reader.samples()):
            writer.add_picture(crop)
        writer.finish()
        return writer.facts(recording)


class PartsWriter:
    """Gathers pictures and sound until a part of either is whole."""

    def __init__(self, folder: Path, settings: Extract, part_s: float):
        self._folder, self._settings, self._part_s = folder, settings, part_s
        self._frames: list[dict] = []
        self._faces: list[dict] = []  # rows of all faces in these frames
        self._collector = SoundCollector(settings.max_duration_s)
        self._sound_from_s: float | None = None  # start of the present part, on the recording's clock
        self._first_sound_s: float | None = None
        self._written = {"pictures": 0, "faces": 0, "sound": 0}
        self._frame_count = self._with_face = self._most_faces = 0
        self._sound_s = self._speech_s = self._sound_end_s = 0.0
        self._peak: float | None = None
        self._notes: dict[str, None] = {}
        self.reader: Reader  # set before the first picture and sound come

    @property
    def first_s(self) -> float:
        """When the first of the streams that have begun did, on the recording's clock."""
        starts = (self.reader.sampler.start_s, self._first_sound_s)
        return min(start for start in starts if start is not None)

    @cached_property
    def _start_s(self) -> float:
        """The recording's start, which is known and stays as it is once the first part is whole."""
        return self.first_s

    def add_picture(self, crop: Crop) -> dict:
        """Take a crop, whose time counts from the video's start; its FRAME, on the recording's clock."""
        row = frame_row(crop, self._settings)
        row["time_s"] += self.reader.sampler.start_s
        if self._frames and row["time_s"] - self._frames[0]["time_s"] >= self._part_s:
            self._write_pictures()
        self._frames.append(row)
        self._faces += self._face_rows(crop, row["time_s"])
        return row

    def _face_rows(self, crop: Crop, time_s: float) -> Iterator[dict]:
        number = self._frame_count + len(self._frames) - 1
        for face in crop.everyone:
            main = face.track == crop.main
            yield {
                "frame": number,
                "time_s": time_s,
                "track": face.track,
                "main": main,
                **dict(zip(("x0", "y0", "x1", "y1"), face.box.tolist(), strict=True)),
                "look": face.look,
                "mouth": mouth(face.image),
                "image": None if main else encode(face.image, self._settings.image_format),
            }

    def push(self, frame: av.AudioFrame) -> None:
        """Take the next piece of sound. Raises ClipError ("too long")."""
        now, limit_s = frame_time(frame), self._settings.max_duration_s
        if self._sound_from_s is None or self._first_sound_s is None:
            self._sound_from_s = self._first_sound_s = now or 0.0
        elif now is not None and now - self._first_sound_s > limit_s:
            length_s = now - self._first_sound_s
            raise ClipError("too long", f"sound at {length_s:.0f} s, max_duration_s is {limit_s:.0f}")
        elif now is not None and now - self._sound_from_s >= self._part_s:
            self._write_sound()
            self._collector, self._sound_from_s = SoundCollector(limit_s), now
        self._collector.push(frame)

    def finish(self) -> None:
        """Write what is left. Raises ClipError ("no usable stream")."""
        self._write_sound()
        if self._frames:
            self._write_pictures()
        if not self._frame_count and not self._peak:
            silent = "" if self._peak is None else " but digital silence"
            raise ClipError("no usable stream", f"no picture, and no sound{silent}")

    def _write_pictures(self) -> None:
        for row in (*self._frames, *self._faces):
            row["time_s"] -= self._start_s
        self._frame_count += len(self._frames)
        self._with_face += sum(row["box"] is not None for row in self._frames)
        self._most_faces = max(self._most_faces, *(row["faces"] or 0 for row in self._frames))
        self._write("faces", pa.Table.from_pylist(self._faces, FACES))
        self._write("pictures", pa.Table.from_pylist([{"frames": self._frames}], PICTURES))
        self._frames, self._faces = [], []

    def _write_sound(self) -> None:
        sound = self._collector.finish()
        if sound is None:
            return
        self._sound_s += sound.length_s
        self._sound_end_s = sound.start_s + sound.length_s
        self._peak = max(self._peak or 0.0, sound.peak)
        self._notes |= dict.fromkeys(sound.notes)
        if sound.peak:
            row = waveform_row(sound, sound.start_s - self._start_s, self._settings.vad_threshold)
            self._speech_s += sum(span["end_s"] - span["start_s"] for span in row["speech"])
            self._write("sound", _sound_table(row))

    def _write(self, kind: str, table: pa.Table) -> None:
        path = self._folder / f"{kind}-{self._written[kind]:05d}{SUFFIX}"
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)
        self._written[kind] += 1
        give_back()

    def facts(self, recording: DecodedFrames) -> dict:
        """What there is to say of the whole recording. Raises ClipError ("too long")."""
        sampler = self.reader.sampler
        ends = [] if sampler.start_s is None else [sampler.start_s + sampler.end_s]
        ends += [self._sound_end_s] if self._sound_s else []
        duration_s = max(ends) - self._start_s
        check_length(duration_s, self._settings)
        sound = Waveform(np.zeros(0, np.int16), 0.0, tuple(self._notes)) if self._sound_s else None
        return {
            "reason": None,
            "detail": None,
            "notes": odd_notes(recording, sampler, sound, duration_s),
            "frame_count": self._frame_count,
            "frames_with_face": self._with_face,
            "most_faces": self._most_faces,
            "duration_s": duration_s,
            "sound_s": self._sound_s,
            "speech_s": self._speech_s if self._peak else None,
            "peak": self._peak,
        }


def _sound_table(row: dict) -> pa.Table:
    """A WAVEFORM as SOUND, its samples taken as they lie: among Python's values Arrow converts each alone."""
    samples = pa.ListArray.from_arrays([0, len(row["samples"])], pa.array(row["samples"]))
    columns = {
        "sample_rate": pa.array([row["sample_rate"]], pa.int32()),
        "offset_s": pa.array([row["offset_s"]], pa.float64()),
        "samples": samples,
        "speech": pa.array([row["speech"]], pa.list_(SPAN)),
    }
    waveform = pa.StructArray.from_arrays([columns[field.name] for field in WAVEFORM], fields=list(WAVEFORM))
    return pa.Table.from_arrays([waveform], schema=SOUND)


@dataclass(frozen=True)
class RecordingParts:
    """The parts of a recording as ``extract_parts`` left them, read one by one."""

    folder: Path
    facts: dict

    def pictures(self) -> Iterator[list[dict]]:
        """The FRAMEs of each part, in time order."""
        for table in self._tables("pictures"):
            yield table["frames"][0].as_py()

    def faces(self, *columns: str) -> Iterator[pd.DataFrame]:
        """The named columns of FACES, part by part in time order; a part without a face has no rows."""
        for table in self._tables("faces"):
            yield table.select(columns).to_pandas()

    def sounds(self) -> Iterator[dict]:
        """The WAVEFORM of each part that is not silent, in time order; ``samples`` is an int16 array."""
        for table in self._tables("sound"):
            waveform = table["waveform"].combine_chunks()
            samples = waveform.field("samples").flatten().to_numpy()
            facts = {name: waveform.field(name)[0].as_py() for name in ("sample_rate", "offset_s", "speech")}
            yield facts | {"samples": samples}

    def _tables(self, kind: str) -> Iterator[pa.Table]:
        """The tables of one kind in time order, mapped: what is not looked at is not read."""
        for file in sorted(self.folder.glob(f"{kind}-*{SUFFIX}")):
            with pa.memory_map(str(file)) as mapped:
                yield pa.ipc.open_file(mapped).read_all()

    def some_frames(self, most: int) -> list[dict]:
        """At most ``most`` FRAMEs, evenly over the recording."""
        count = self.facts["frame_count"]
        shown = np.linspace(0, count - 1, min(count, most))
        return self.frames_at(shown.astype(int).tolist()) if count else []

    def frames_at(self, indices: Collection[int]) -> list[dict]:
        """The FRAMEs at these places among all pictures, in time order."""
        wanted, first = set(indices), 0
        frames: list[dict] = []
        for rows in self.pictures() if wanted else ():
            frames += [row for index, row in enumerate(rows, first) if index in wanted]
            first += len(rows)
        return frames

    def outline(self) -> dict | None:
        """A WAVEFORM to draw: the sound itself, or of several parts the lowest and highest sample of each 10
        ms.
        """
        sounds = iter(self.sounds())
        first = next(sounds, None)
        second = next(sounds, None)
        if first is None or second is None:
            return first
        block = SAMPLE_RATE // 100
        start_s = first["offset_s"]
        outline = np.zeros(2 * round(100 * (self.facts["duration_s"] - start_s)) + 2, np.int16)
        speech = []
        for sound in chain((first, second), sounds):
            whole = sound["samples"][: len(sound["samples"]) // block * block].reshape(-1, block)
            edges = np.stack([whole.min(1), whole.max(1)], 1).ravel()
            start = 2 * round(100 * (sound["offset_s"] - start_s))
            outline[start : start + len(edges)] = edges[: max(0, len(outline) - start)]
            shift_s = sound["offset_s"] - start_s
            speech += [
                {"start_s": span["start_s"] + shift_s, "end_s": span["end_s"] + shift_s}
                for span in sound["speech"]
            ]
        return {"sample_rate": 200, "offset_s": start_s, "samples": outline, "speech": speech}
