"""One extracted clip as a picture to look at: faces with their times, waveform with speech, metadata."""

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle

from mfer_core.base.errors import MferError
from mfer_core.base.files import atomic_path
from mfer_core.cache.shards import read_shards
from mfer_core.media.read import decode_image

COLUMNS, MAX_FACES = 8, 48
WAVE_POINTS = 20_000  # a longer waveform is drawn as its envelope
EDGES = {"detected": "tab:green", "track": "tab:blue", "held": "tab:orange", "centre": "tab:red"}


def inspect_clip(out: Path, corpus: str, clip_id: str, png: Path) -> dict:
    """Draw a clip of ``out`` (data/extract) into ``png``: contact sheet, waveform with speech segments, metadata.

    The frame's colour says where a crop comes from (detected, track, held, centre). Returns the clip's facts.
    Raises MferError when the stage has not run or knows no such clip.
    """
    facts, frames, sound = (
        _rows(Path(out) / name / corpus, clip_id) for name in ("clips", "frames", "waveforms")
    )
    if not facts:
        raise MferError(
            f"no clip {clip_id!r} in {Path(out) / 'clips' / corpus}: ids look like {_example(Path(out), corpus)!r}"
        )
    shown = spread(frames, MAX_FACES)
    rows = -(-len(shown) // COLUMNS)
    figure = Figure(figsize=(12, 1.7 * rows + 4.2), layout="constrained")
    faces, wave, text = figure.subfigures(3, 1, height_ratios=(max(1.7 * rows, 0.4), 2.4, 1.6))
    draw_faces(faces, shown, rows)
    draw_wave(wave.subplots(), sound[0] if sound else None, facts[0])
    text.text(0.02, 0.95, _describe(facts[0], frames, sound), va="top", family="monospace", fontsize=9)
    with atomic_path(Path(png)) as temporary:
        figure.savefig(temporary, dpi=100)
    return facts[0]


def _rows(folder: Path, clip_id: str) -> list[dict]:
    for table in read_shards(folder):
        found = table.filter(pc.equal(table["clip_id"], clip_id))
        if len(found):
            return found.to_pylist()
    return []


def _example(out: Path, corpus: str) -> str | None:
    table = next(read_shards(out / "clips" / corpus, ["clip_id"]), None)
    return table["clip_id"][0].as_py() if table is not None and len(table) else None


def spread(frames: list[dict], most: int) -> list[dict]:
    """At most ``most`` of a clip's frames, evenly over its time."""
    return [
        frames[place]
        for place in np.unique(np.linspace(0, len(frames) - 1, min(len(frames), most)).astype(int))
    ]


def draw_faces(figure: SubFigure, shown: list[dict], rows: int) -> None:
    """Face crops of FRAMES rows, ``COLUMNS`` to a row, in the colour of where they come from."""
    if not shown:
        figure.suptitle("no video", fontsize=9)
        return
    axes = figure.subplots(rows, COLUMNS, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, row in zip(axes.flat, shown, strict=False):
        image = decode_image(row["image"])
        axis.imshow(image, cmap="gray", vmin=0, vmax=255)
        axis.add_patch(_frame(image.shape, EDGES[row["face_source"]]))
        confidence = "" if row["confidence"] is None else f" {row['confidence']:.2f}"
        axis.set_title(f"{row['time_s']:.2f} s {row['face_source']}{confidence}", fontsize=7)


def _frame(shape: tuple[int, ...], colour: str) -> Rectangle:
    return Rectangle((0, 0), shape[1] - 1, shape[0] - 1, fill=False, edgecolor=colour, linewidth=3)


def draw_wave(axis: Axes, sound: dict | None, facts: dict) -> None:
    """A WAVEFORMS row with its speech segments, on the clip's clock."""
    axis.set_xlim(0, facts["duration_s"] or 1)
    axis.set_xlabel("seconds on the clip's clock", fontsize=8)
    if sound is None:
        axis.set_title("no sound" if facts["peak"] is None else "digital silence", fontsize=9)
        return
    samples = np.asarray(sound["samples"], np.float32) / 32768
    stride = 1 + len(samples) // WAVE_POINTS
    starts = np.arange(0, len(samples), stride)
    low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    axis.fill_between(
        sound["offset_s"] + starts / sound["sample_rate"], low, high, linewidth=0.4, color="0.3"
    )
    for segment in sound["speech"]:
        axis.axvspan(
            *(sound["offset_s"] + segment[name] for name in ("start_s", "end_s")),
            color="tab:green",
            alpha=0.25,
        )
    axis.set_title("waveform; green: speech (Silero VAD)", fontsize=9)


def _describe(facts: dict, frames: list[dict], sound: list[dict]) -> str:
    sources = {name: sum(row["face_source"] == name for row in frames) for name in EDGES}
    speech = [
        f"{segment['start_s']:.2f}-{segment['end_s']:.2f}" for row in sound for segment in row["speech"]
    ]
    lines = {
        "clip": facts["clip_id"],
        "key": facts["key"],
        "result": f"rejected: {facts['reason']}: {facts['detail']}"
        if facts["reason"]
        else f"accepted {facts['detail'] or ''}",
        "duration": f"{facts['duration_s']:.3f} s" if facts["duration_s"] else "-",
        "frames": f"{facts['frames']}, with a face {facts['frames_with_face']}; "
        + ", ".join(f"{n} {name}" for name, n in sources.items()),
        "sound": f"peak {facts['peak']:.3f}, speech {', '.join(speech) or 'none'} s after its first sample"
        if sound
        else "-",
    }
    return "\n".join(f"{name:9} {value}" for name, value in lines.items())
